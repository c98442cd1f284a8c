#pragma once
/// The inner loop of the CPU backend: draw a token's noise words and mark the experts whose word is
/// small enough for a large logit.

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
  int expert(int index) const { return 4 * (index % blocks) + index / blocks; }
  int index(int expert) const { return (expert % 4) * blocks + expert / 4; }
};

struct NoiseCounter {
  std::uint64_t seed;
  std::uint32_t stream;
  std::uint32_t layer;
  std::uint32_t token;
};

/// Fills `words` (4 * blocks, in screen order, past the last expert too) and sets bit i of `hits`
/// (4 * blocks bits) where words[i] <= limits[i]. Arrays are 64-byte aligned.
using ScreenFunction = void (*)(const NoiseCounter& counter, int blocks,
                                const std::uint32_t* limits, std::uint32_t* words,
                                std::uint64_t* hits);

struct ScreenVariant {
  std::string_view name;
  ScreenFunction function;
};

/// The variants this processor can run, fastest first, plain C++ last. Their results are equal.
std::span<const ScreenVariant> screen_variants();

}  // namespace tollgate::kernels
