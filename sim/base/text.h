#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate {

/// The candidate nearest to `given` by Levenshtein distance, ignoring case, if it is near enough to
/// be a likely typo (distance at most a third of the length, at least 1 and at most 4); before
/// that, the shortest candidate that begins with `given`.
std::optional<std::string> nearest(std::string_view given,
                                   const std::vector<std::string>& candidates);

/// " Did you mean 'x'?" or "" when nothing is near.
std::string did_you_mean(std::string_view given, const std::vector<std::string>& candidates);

/// Comma-separated list.
std::string join(const std::vector<std::string>& items, std::string_view separator = ", ");

/// Reads a whole decimal floating-point literal (no hex, no inf, no nan, no surrounding space).
std::optional<double> parse_number(std::string_view text);

/// Shortest text that reads back as the same double; integers without ".0". Locale-free.
std::string shortest(double value);

/// `digits` significant digits, locale-free, no exponent between 1e-4 and 1e15.
std::string significant(double value, int digits);

/// Fixed number of decimals, locale-free.
std::string fixed(double value, int decimals);

/// The text with control characters made visible (\n, \t, \xNN) and cut to `limit` characters: for
/// quoting hostile input in an error sentence.
std::string quote(std::string_view text, std::size_t limit = 60);

/// True when the bytes are well-formed UTF-8.
bool is_utf8(std::string_view text);

}  // namespace tollgate
