#include "sim/serving/workload_mix.h"

#include <algorithm>

namespace tollgate {

WorkloadMix summarise(const std::vector<RequestClass>& workload) {
  double weights = 0;
  for (const RequestClass& r : workload) weights += r.weight;
  WorkloadMix mix;
  double context = 0, pairs = 0, squares = 0;
  for (const RequestClass& r : workload) {
    const double w = r.weight / weights;
    const double i = r.input.average(), o = r.output.average();
    const double i2 = r.input.second_moment(), o2 = r.output.second_moment();
    const double h = r.prefix_hit_rate;
    mix.input += w * i;
    mix.cached += w * h * i;
    mix.output += w * o;
    mix.decoded += w * std::max(0.0, o - 1);
    context += w * (o * i + o2 / 2);
    pairs += w * i2 * (1 - h * h) / 2;
    squares += w * (1 - h) * (1 - h) * i2;
  }
  mix.uncached = mix.input - mix.cached;
  mix.decode_context = context / mix.output;
  // A fully cached prompt still computes its last token (vLLM, SGLang).
  if (mix.uncached < 1) {
    mix.uncached = 1;
    mix.cached = mix.input - 1;
    mix.prefill_context = mix.input;
    return mix;
  }
  mix.prefill_context = pairs / mix.uncached;
  mix.uncached_scv = std::max(0.0, squares / (mix.uncached * mix.uncached) - 1);
  return mix;
}

}  // namespace tollgate
