#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate {

/// What a quantity measures. Inside Tollgate every quantity is a double in the SI unit named here.
enum class Dimension {
  bytes,              ///< B; decimal (GB) and binary (GiB) prefixes differ
  bytes_per_second,   ///< B/s; bit/s and B/s differ by eight
  flops_per_second,   ///< FLOP/s, dense (never the sparse marketing figure)
  seconds,            ///< s
  watts,              ///< W
  usd,                ///< USD
  usd_per_hour,       ///< USD/h
  usd_per_mtok,       ///< USD/Mtok: dollars per million tokens
  usd_per_kwh,        ///< USD/kWh
  per_second,         ///< 1/s, written "req/s"
  tokens_per_second,  ///< tokens/s; a week has 7 days, a year 365
};

/// Reads "80 GiB", "3.35 TB/s", "989 TFLOP/s", "400 Gbit/s", "2.49 USD/h", "50 ms", "12 req/s".
/// The number is a plain decimal with an optional exponent; one unit must follow.
/// Returns the SI value, or nullopt with a sentence in `*why` that names the units accepted.
std::optional<double> parse_quantity(std::string_view text, Dimension dimension, std::string* why);

/// The units accepted for a dimension, in the order shown to users.
std::vector<std::string_view> accepted_units(Dimension dimension);

/// The SI value as text with a readable prefix ("141 GB", "4.8 TB/s"), which parse_quantity reads
/// back.
std::string format_quantity(double si, Dimension dimension);

/// The name of a dimension for schema and reference pages, for example "bytes per second".
std::string_view dimension_name(Dimension dimension);

}  // namespace tollgate
