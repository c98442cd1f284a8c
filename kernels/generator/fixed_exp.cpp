#include "kernels/generator/fixed_exp.h"

#include "kernels/core/fixed_softmax.h"
#include "kernels/core/noise.h"

namespace tollgate::kernels {

std::uint32_t exp_q31(std::int32_t logit) { return fixed_exp(score_tables(), logit); }

std::int32_t log_q20(std::uint64_t value) {
  const std::uint64_t log2 = log2_q30(gumbel_tables(), value);
  return static_cast<std::int32_t>(((log2 >> 2) * kLn2Q28) >> 36);
}

}  // namespace tollgate::kernels
