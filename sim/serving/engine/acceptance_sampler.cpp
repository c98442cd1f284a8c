#include "sim/serving/engine/acceptance_sampler.h"

#include "kernels/core/philox.h"

namespace tollgate {

AcceptanceSampler::AcceptanceSampler(double tokens_per_step, int draft_tokens, std::uint64_t seed)
    : seed_(seed) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double a = 0.5 * (low + high);
    double mean = 1, power = 1;
    for (int k = 0; k < draft_tokens; ++k) mean += power *= a;
    (mean < tokens_per_step ? low : high) = a;
  }
  double power = 1;
  for (int k = 0; k < draft_tokens; ++k) {
    power *= 0.5 * (low + high);
    at_least_.push_back(static_cast<std::uint64_t>(power * 4294967296.0));
  }
}

std::int64_t AcceptanceSampler::steps(std::int32_t request, std::int32_t produced,
                                      std::int64_t left) const {
  std::int64_t steps = 0;
  for (std::uint32_t block = 0; left > 0; ++block) {
    const kernels::Words4 words =
        kernels::philox4x32(static_cast<std::uint32_t>(request), block,
                            static_cast<std::uint32_t>(produced), 0x41434345u, seed_);
    for (int i = 0; i < 4 && left > 0; ++i, ++steps) {
      --left;
      for (const std::uint64_t threshold : at_least_) {
        if (words.w[i] >= threshold) break;
        --left;
      }
    }
  }
  return steps;
}

}  // namespace tollgate
