// Proves: the integer softmax keeps the error and the order its header promises.

#include "kernels/core/fixed_softmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace tollgate::kernels {
namespace {

TEST(FixedExp, StaysWithinItsError) {
  for (std::int64_t x = 0; x > -(std::int64_t{40} << kLogitFraction); x -= 9973) {
    const double exact = std::exp(static_cast<double>(x) / (1 << kLogitFraction)) * 2147483648.0;
    const double error = std::fabs(fixed_exp(score_tables(), x) - exact);
    EXPECT_LE(error, x > -(8 << kLogitFraction) ? std::max(2e-6 * exact, 1.0) : 2e-6 * exact + 1.0);
  }
  EXPECT_EQ(fixed_exp(score_tables(), 0), 1u << 31);
  EXPECT_EQ(fixed_exp(score_tables(), -(std::int64_t{1} << 32)), 0u);
}

TEST(FixedExp, NeverRises) {
  std::uint32_t last = fixed_exp(score_tables(), 0);
  for (std::int64_t x = 0; x > -2'000'000; x -= 7) {
    const std::uint32_t now = fixed_exp(score_tables(), x);
    ASSERT_LE(now, last);
    last = now;
  }
}

TEST(Probability, EqualsSoftmaxInDouble) {
  std::mt19937_64 random(5);
  for (const double spread : {0.01, 1.0, 4.0, 300.0}) {
    for (const int experts : {1, 2, 768, 1024}) {
      std::normal_distribution<double> normal(0, spread);
      std::vector<std::int32_t> logits;
      for (int e = 0; e < experts; ++e) logits.push_back(to_fixed(normal(random), kLogitFraction));
      const std::int32_t largest = *std::max_element(logits.begin(), logits.end());
      std::uint64_t fixed_sum = 0;
      double sum = 0;
      for (const std::int32_t x : logits) {
        fixed_sum += fixed_exp(score_tables(), static_cast<std::int64_t>(x) - largest);
        sum += std::exp(from_fixed(x, kLogitFraction) - from_fixed(largest, kLogitFraction));
      }
      const TokenScale scale = make_token_scale(largest, fixed_sum);
      for (const std::int32_t x : logits) {
        const double exact =
            std::exp(from_fixed(x, kLogitFraction) - from_fixed(largest, kLogitFraction)) / sum;
        const double ours = from_fixed(probability(score_tables(), scale, x), kSoftmaxFraction);
        EXPECT_LE(std::fabs(ours - exact), 5e-6 * exact + 1.0 / (1 << 29));
      }
    }
  }
}

TEST(Probability, OfOneHotExpertIsOne) {
  const TokenScale scale = make_token_scale(INT32_MAX, std::uint64_t{1} << 31);
  EXPECT_EQ(probability(score_tables(), scale, INT32_MAX), 1 << kSoftmaxFraction);
  EXPECT_EQ(probability(score_tables(), scale, INT32_MIN), 0);
}

}  // namespace
}  // namespace tollgate::kernels
