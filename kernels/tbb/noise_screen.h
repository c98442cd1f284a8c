#pragma once
/// The inner loop of the CPU backend: draw a token's noise words and mark the experts whose word is
/// small enough for a large logit; then pick the best of them.

#include <cstdint>
#include <span>
#include <string_view>

namespace tollgate::kernels {

/// Experts in "screen order": word j of draw block b stands at index j * blocks + b, with `blocks`
/// a multiple of 16, so that vectors of blocks are stored whole.
struct ScreenOrder {
  int blocks;

  explicit ScreenOrder(int experts) : blocks((experts + 63) / 64 * 16) {}
  int words() const { return 4 * blocks; }
  int index(int expert) const { return (expert % 4) * blocks + expert / 4; }
};

struct NoiseCounter {
  std::uint64_t seed;
  std::uint32_t stream;
  std::uint32_t layer;
  std::uint32_t token;
};

/// Fills `words` (4 * blocks, in screen order, past the last expert too), writes to `candidates`
/// the experts with words[i] <= limits[i], in any order, and returns their number. `words` and
/// `limits` are 64-byte aligned; `candidates` has room for 4 * blocks + 16.
using ScreenFunction = int (*)(const NoiseCounter& counter, int blocks, const std::uint32_t* limits,
                               std::uint32_t* words, std::uint16_t* candidates);

/// Writes to `chosen` the experts of the `k` largest of `count` >= k different selection keys,
/// largest first. `keys` has room for 8 more and may be changed.
using TopKFunction = void (*)(std::int64_t* keys, int count, int k, std::uint16_t* chosen);

struct ScreenVariant {
  std::string_view name;
  ScreenFunction screen;
  TopKFunction top_k;
};

/// The variants this processor can run, fastest first, plain C++ last. Their results are equal.
std::span<const ScreenVariant> screen_variants();

}  // namespace tollgate::kernels
