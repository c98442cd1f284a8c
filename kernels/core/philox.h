#pragma once
/// Philox4x32-10, the counter-based generator of Salmon et al., SC'11; same stream as Random123,
/// cuRAND and PyTorch. A number is a function of what it is for, never of who draws it.

#include <cstdint>

#include "kernels/core/host_device.h"

namespace tollgate::kernels {

struct Words4 {
  std::uint32_t w[4];
};

/// What a word is drawn for; stands in the top bits of the draw block.
enum class Purpose : std::uint32_t {
  token_noise = 0,
  global_popularity = 1,
  domain_popularity = 2,
  topic_popularity = 3,
  sequence = 4,
  pilot = 5,
  token_id = 6,
  hash_table = 7,
};

/// Second counter word: the purpose above a block index below 2^24.
TOLLGATE_HD constexpr std::uint32_t draw_block(Purpose purpose, std::uint32_t block) {
  return (static_cast<std::uint32_t>(purpose) << 24) | block;
}

TOLLGATE_HD inline std::uint32_t multiply_high(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(a) * b) >> 32);
}

/// Four random words for a counter (c0, c1, c2, c3) and a 64-bit key, low half first.
/// The engine's counter is (token, draw block, layer, stream), its key the seed.
TOLLGATE_HD inline Words4 philox4x32(std::uint32_t c0, std::uint32_t c1, std::uint32_t c2,
                                     std::uint32_t c3, std::uint64_t key) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint32_t high0 = multiply_high(0xD2511F53u, c0);
    const std::uint32_t low0 = 0xD2511F53u * c0;
    const std::uint32_t high1 = multiply_high(0xCD9E8D57u, c2);
    const std::uint32_t low1 = 0xCD9E8D57u * c2;
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace tollgate::kernels
