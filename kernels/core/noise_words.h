#pragma once
/// Which random words belong to a token.

#include <cstdint>

#include "kernels/core/philox.h"

namespace tollgate::kernels {

/// The noise words of experts 4 * block .. 4 * block + 3 for one token at one layer.
TOLLGATE_HD inline Words4 noise_words(std::uint64_t seed, std::uint32_t stream, int layer,
                                      int token, int block) {
  return philox4x32(static_cast<std::uint32_t>(token),
                    draw_block(Purpose::token_noise, static_cast<std::uint32_t>(block)),
                    static_cast<std::uint32_t>(layer), stream, seed);
}

}  // namespace tollgate::kernels
