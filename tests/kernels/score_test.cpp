// Proves: fixed-point scores follow libm within the documented error and never fall.

#include "kernels/core/score.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tollgate::kernels {
namespace {

double exact(ScoreFunction function, double x) {
  if (function == ScoreFunction::sigmoid) return 1 / (1 + std::exp(-x));
  return std::sqrt(x > 30 ? x : std::log1p(std::exp(x)));
}

class Scores : public testing::TestWithParam<ScoreFunction> {};
INSTANTIATE_TEST_SUITE_P(Functions, Scores,
                         testing::Values(ScoreFunction::sigmoid, ScoreFunction::sqrt_softplus));

TEST_P(Scores, FollowLibm) {
  for (std::int64_t x = -(40ll << 20); x < (100ll << 20); x += 4099) {
    const auto logit = static_cast<std::int32_t>(x);
    const double real = from_fixed(logit, kLogitFraction);
    ASSERT_NEAR(from_fixed(score_of(score_tables(), GetParam(), logit), kScoreFraction),
                exact(GetParam(), real), 1e-5)
        << real;
  }
}

TEST_P(Scores, NeverFall) {
  const auto score = [](std::int64_t x) {
    return score_of(score_tables(), GetParam(), static_cast<std::int32_t>(x));
  };
  for (std::int64_t node = -(40 << 20); node < (40 << 20); node += 1 << 14) {
    for (std::int64_t x = node - 20; x < node + 20; ++x) ASSERT_LE(score(x), score(x + 1)) << x;
  }
  std::int32_t previous = score(INT32_MIN);
  for (std::int64_t x = INT32_MIN; x <= INT32_MAX; x += 1009) {
    const std::int32_t now = score(x);
    ASSERT_GE(now, previous) << x;
    previous = now;
  }
}

TEST(IntegerSqrt, IsTheFloor) {
  for (std::uint64_t root : {0ull, 1ull, 2ull, 65535ull, 65536ull, 4294967294ull, 4294967295ull}) {
    EXPECT_EQ(integer_sqrt(root * root), root);
    if (root > 1) {
      EXPECT_EQ(integer_sqrt(root * root - 1), root - 1);
    }
  }
}

}  // namespace
}  // namespace tollgate::kernels
