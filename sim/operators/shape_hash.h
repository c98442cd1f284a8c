#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tollgate {

/// What a shape's hash decides; each use has its own.
enum class HashUse : std::uint64_t {
  holdout = 0,            ///< which shapes a fit does not see
  subsample = 1,          ///< which rows of a large table are kept
  half = 2,               ///< which held-out shapes give the band, and which check it
  fold = 3,               ///< cross-validation of small tables
  other_holdouts = 1000,  ///< and above: further choices of what a fit does not see
};

/// XXH3-64 of "op a b c" (shortest decimal text of each column that is a size) with the use as
/// seed. A property of the shape alone: no seed, system, backend, way of measuring or order of rows
/// moves a shape across the split.
std::uint64_t shape_hash(std::string_view op, std::span<const double> shape, HashUse use);

/// The hash over 2^64, in [0, 1).
double shape_fraction(std::string_view op, std::span<const double> shape, HashUse use);

}  // namespace tollgate
