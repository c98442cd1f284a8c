#include "sim/serving/engine/acceptance_sampler.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tollgate {
namespace {

/// Renewal theory: n steps for 10,000 tokens at 2.5 a step. Over 400 answers the mean number of
/// steps is within four standard errors (a step's standard deviation is at most 1.5 tokens).
TEST(acceptance_sampler, has_the_mean_it_was_given) {
  const AcceptanceSampler sampler(2.5, 3, 7);
  double sum = 0;
  for (int r = 0; r < 400; ++r) sum += static_cast<double>(sampler.steps(r, 0, 10000));
  const double sigma = 1.5 / 2.5 * std::sqrt(4000.0) / std::sqrt(400.0);
  EXPECT_NEAR(sum / 400, 4000, 4 * sigma);
}

TEST(acceptance_sampler, is_exact_at_the_ends) {
  EXPECT_EQ(AcceptanceSampler(1, 3, 7).steps(5, 0, 100), 100);  // nothing is accepted
  EXPECT_EQ(AcceptanceSampler(4, 3, 7).steps(5, 0, 100), 25);   // everything is
  EXPECT_EQ(AcceptanceSampler(1, 0, 7).steps(5, 0, 7), 7);
}

TEST(acceptance_sampler, depends_on_the_seed_and_the_request) {
  const AcceptanceSampler a(2, 2, 1), b(2, 2, 2);
  EXPECT_EQ(a.steps(3, 0, 500), a.steps(3, 0, 500));
  int differs = 0;
  for (int r = 0; r < 20; ++r) {
    differs += a.steps(r, 0, 500) != b.steps(r, 0, 500);
    differs += a.steps(r, 0, 500) != a.steps(r + 1, 0, 500);
  }
  EXPECT_GT(differs, 30);
}

}  // namespace
}  // namespace tollgate
