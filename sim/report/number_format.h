#pragma once

#include <string>
#include <string_view>

#include "sim/base/estimate.h"

namespace tollgate {

// Numbers for people: about three significant digits, a readable unit, no locale. The exact values
// stand in the JSON and CSV output.

/// "12,345", "345", "34.5", "3.45": grouped by thousands, about three significant digits.
std::string count_text(double value);

/// "12,345.6": grouped by thousands with fixed decimals.
std::string grouped(double value, int decimals);

/// Seconds as "210 us", "48.2 ms", "1.23 s", "4.1 min".
std::string seconds_text(double seconds);

/// Bytes with a decimal prefix: "84.2 GB".
std::string bytes_text(double bytes);

/// A parameter count as publishers write it: "671B", "8.03B", "350M".
std::string parameters_text(double parameters);

/// Dollars without the sign: two decimals from 1 up, three significant digits below.
std::string money_text(double usd);

/// A fraction as "37 %"; below one half percent "<1 %", zero "0 %".
std::string percent_text(double fraction);

/// A ratio: "3.4", "12", "1.05".
std::string ratio_text(double ratio);

/// Sequences in flight: without decimals where it is whole, and from ten up.
std::string batch_text(double sequences);

/// The mark behind a number for people: "" exact or fitted, "~" extrapolated, "?" assumed.
std::string_view mark(Provenance provenance);

/// The text with control characters shown as \xNN, so that a name in a scenario cannot command the
/// terminal.
std::string printable(std::string_view text);

/// The text with its spaces made unbreakable for `wrapped` (text_table.h), which prints them as
/// spaces: "48.2 ms" stays on one line.
std::string glued(std::string text);
inline constexpr char glue = '\x1f';

/// Columns a UTF-8 text takes, counting each code point as one.
std::size_t display_width(std::string_view text);

}  // namespace tollgate
