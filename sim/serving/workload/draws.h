#pragma once

#include <cstdint>

#include "kernels/core/philox.h"

namespace tollgate {

/// What random words of a workload are drawn for. Words are a function of the seed, this, and what
/// they belong to; never of the order in which, or of how much, is drawn.
enum class Draw : std::uint32_t {
  gap,           ///< between arrivals; four arrivals share a block of words
  gamma_gap,     ///< one attempt at a gamma gap
  state,         ///< durations of an on/off process
  class_of,      ///< class of what arrives: a request or a conversation; four share a block
  lengths,       ///< of a request: word 0 the prompt or what a turn adds, 1 the answer, 2 the pause
  conversation,  ///< word 0: turns
  fan_out,       ///< of a turn: word 0 whether, word 1 how many
  sub_agent,     ///< of a branch: word 0 its calls
};

/// Four words for arrival or conversation `which`; `item` counts inside of it.
inline kernels::Words4 draw(std::uint64_t seed, Draw what, std::uint32_t which,
                            std::uint32_t item = 0, std::uint32_t attempt = 0) {
  return kernels::philox4x32(which, (static_cast<std::uint32_t>(what) << 24) | attempt, item,
                             0x54524146u, seed);
}

/// The middle of the word's share of (0, 1).
inline double unit(std::uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }

}  // namespace tollgate
