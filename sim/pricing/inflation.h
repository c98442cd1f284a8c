#pragma once

#include "sim/spec/workload_spec.h"

namespace tollgate {

/// What makes a task take more or fewer tokens ("token inflation"). 1 call, 1 turn, nothing else
/// changes nothing.
struct Inflation {
  double cache_hit_rate = -1;     ///< share of prompt tokens found in the cache; -1 = as it is
  double prompt_compression = 0;  ///< share of the prompt left out, 0 <= c < 1
  double reasoning = 1;           ///< times the generated tokens, > 0
  double fan_out = 1;             ///< calls by sub-agents for each call, >= 1
  int turns = 1;                  ///< calls that each carry what was said before, >= 1
  double tokens_per_turn = 0;     ///< prompt tokens that every turn after the first adds
};

/// Calls of a task: fan_out x turns.
double calls_per_task(const Inflation& inflation);

/// The request a task's mean call becomes. Over T turns the prompt of turn k is the first prompt
/// and, for every turn before, its answer and the new tokens; of it only the first prompt's
/// uncached part and the new tokens are computed. Lengths keep their shape around the new mean.
/// Throws std::invalid_argument for values outside their ranges.
RequestClass inflated(const RequestClass& request, const Inflation& inflation);

}  // namespace tollgate
