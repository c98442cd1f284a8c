#pragma once

#include <cstdint>
#include <span>

#include "sim/serving/engine/clock.h"

namespace tollgate {

/// What one data-parallel rank computes in one engine step.
struct RankBatch {
  std::int64_t prefill_tokens = 0;    ///< prompt tokens, recomputed ones included
  std::int64_t prefill_context = 0;   ///< sum over them of the positions each attends to
  std::int64_t prefill_before = 0;    ///< sum over prompts of the tokens already in the cache
  std::int64_t prefill_requests = 0;  ///< prompts worked on
  std::int64_t prompts_finished = 0;  ///< of these, those that emit their first token
  std::int64_t decode_sequences = 0;  ///< sequences that decode
  std::int64_t decode_context = 0;    ///< sum over these of the tokens in the cache before the step
  std::int64_t decode_longest = 0;    ///< largest of these; only where the timer asks for it
  std::int64_t decode_shortest = 0;   ///< smallest of these; likewise

  bool empty() const { return prefill_tokens == 0 && decode_sequences == 0; }
};

/// Times of a run of steps in which the same sequences decode and nothing else happens: the step
/// before which the sequences have grown by v tokens each takes `first + growth x v`, exactly, for
/// every v up to `valid`.
struct DecodeLine {
  Ticks first = 0;
  Ticks growth = 0;
  std::int64_t valid = 0;
};

/// Time of an engine step in integers, so that the sum over a run of steps in closed form is the
/// sum step by step. The ranks of a replica step together: a time is one for all of them.
class StepTimer {
 public:
  virtual ~StepTimer() = default;

  /// Any composition; at least one rank has work. Always positive.
  virtual Ticks step(std::span<const RankBatch> ranks) const = 0;

  /// No rank has prompt tokens. Must agree with step() for every v up to `valid`.
  virtual DecodeLine decode(std::span<const RankBatch> ranks) const = 0;

  /// Whether decode_longest and decode_shortest are to be filled in (costs a pass over the batch
  /// in every step).
  virtual bool wants_extremes() const { return false; }
};

}  // namespace tollgate
