#pragma once

#include <vector>

#include "sim/spec/workload_spec.h"
#include "sim/timing/operator_set.h"

namespace tollgate {

/// Moments of a mix of request classes that the steady state needs; tokens. Input and output
/// lengths are independent within a class.
struct WorkloadMix {
  double input = 0;     ///< prompt tokens per request, cached ones included
  double cached = 0;    ///< of these, found in the prefix cache
  double uncached = 0;  ///< of these, computed
  double output = 0;    ///< generated tokens per request
  double decoded = 0;   ///< generated after the first: max(output - 1, 0)
  /// Mean context of a sequence at a random decode step: a long answer is seen more often and
  /// deeper, E[O (I + O / 2)] / E[O].
  double decode_context = 0;
  /// Squared coefficient of variation of that context.
  double decode_context_scv = 0;
  /// Mean of prompt and whole answer over residents, for engines that reserve both at admission:
  /// E[O (I + O)] / E[O].
  double reserved_context = 0;
  /// Mean number of positions a computed prompt token attends to. A prompt of I tokens with a share
  /// h cached has I^2 (1 - h^2) / 2 pairs over (1 - h) I tokens.
  double prefill_context = 0;
  /// E[u^2] / E[u]^2 - 1 of the computed prompt tokens u: their squared coefficient of variation.
  double uncached_scv = 0;
  /// How contexts spread around those means, for windows and sparse attention.
  ContextMix contexts;
  /// Share of the mix's prompt and answer tokens that did not fit into `longest` and were cut.
  double cut_share = 0;
};

/// `longest` is the longest context in tokens, prompt and answer together. Lengths are taken in 64
/// equally likely bins, whose means are exact.
WorkloadMix summarise(const std::vector<RequestClass>& workload, double longest = 1e9);

}  // namespace tollgate
