#include "sim/serving/decode_load.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tollgate {
namespace {

WorkloadMix some_mix() {
  WorkloadMix mix;
  mix.decode_context = 1000;
  mix.decode_context_scv = 0.5;
  return mix;
}

/// Mean sequences of the fullest of evenly filled groups, E[ceil(n / groups)], by summing over a
/// binomial number n, against the normal one of DecodeLoads.
TEST(DecodeLoads, VllmsFullestGroupHasTheNextWholeNumber) {
  const WorkloadMix mix = some_mix();
  for (const int groups : {2, 8, 32}) {
    for (const int population : {100, 1000}) {
      for (const double share : {0.35, 0.6, 0.95}) {
        double mean = 0;
        for (int n = 0; n <= population; ++n) {
          const double log_p = std::lgamma(population + 1.0) - std::lgamma(n + 1.0) -
                               std::lgamma(population - n + 1.0) + n * std::log(share) +
                               (population - n) * std::log1p(-share);
          mean += std::exp(log_p) * std::ceil(static_cast<double>(n) / groups);
        }
        const DecodeLoads loads(mix, groups, SchedulingPolicy::running_first);
        const StepLoad load = loads.of(population * share, population * share * (1 - share));
        EXPECT_NEAR(load.decode_sequences / groups, mean, 0.03) << groups << " " << population;
      }
    }
  }
}

/// The fullest group's cache does not depend on how it is counted per sequence.
TEST(DecodeLoads, MoreSequencesOfTheFullestGroupAreNotMoreCache) {
  const WorkloadMix mix = some_mix();
  const DecodeLoads loads(mix, 8, SchedulingPolicy::running_first);
  const StepLoad plain = loads.of(100), whole = loads.of(100, 60);
  EXPECT_GT(whole.decode_sequences, plain.decode_sequences);
  EXPECT_NEAR(whole.decode_sequences * whole.decode_context,
              plain.decode_sequences * plain.decode_context, 1e-6 * 1e5);
}

TEST(DecodeLoads, OneGroupHasThemAll) {
  const WorkloadMix mix = some_mix();
  const DecodeLoads loads(mix, 1, SchedulingPolicy::running_first);
  EXPECT_EQ(loads.of(12.3, 5).decode_sequences, 12.3);
  EXPECT_EQ(loads.of(12.3, 5).decode_context, 1000);
}

}  // namespace
}  // namespace tollgate
