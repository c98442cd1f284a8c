#include "sim/operators/shape_hash.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "sim/operators/curve.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tollgate {

std::uint64_t shape_hash(std::string_view op, std::span<const double> shape, HashUse use) {
  std::string text(op);
  char digits[32];
  const OperatorCurve* curve = find_curve(op);
  for (const double value :
       shape.first(curve ? std::min(shape.size(), curve->sizes()) : shape.size())) {
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    text.push_back(' ');
    text.append(digits, end);
  }
  return XXH3_64bits_withSeed(text.data(), text.size(), static_cast<std::uint64_t>(use));
}

double shape_fraction(std::string_view op, std::span<const double> shape, HashUse use) {
  return static_cast<double>(shape_hash(op, shape, use) >> 11) * 0x1p-53;
}

}  // namespace tollgate
