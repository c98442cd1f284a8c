#include "sim/base/portable_math.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tollgate {
namespace {

TEST(portable_math, logarithm_and_exponential_are_those_of_libm) {
  for (int i = 1; i < 200000; ++i) {
    const double x = std::ldexp(1 + i * 5e-6, i % 600 - 300);
    ASSERT_NEAR(portable::log(x), std::log(x), 1e-15 * std::max(1.0, std::abs(std::log(x)))) << x;
    const double y = (i - 100000) * 0.007;
    if (std::abs(y) < 700) {
      ASSERT_NEAR(portable::exp(y) / std::exp(y), 1, 1e-14) << y;
    }
  }
  EXPECT_EQ(portable::log(1), 0);
  EXPECT_EQ(portable::exp(0), 1);
  EXPECT_EQ(portable::exp(-1e6), 0);
}

TEST(portable_math, sine_is_that_of_libm) {
  for (double x = -2; x <= 2; x += 0.001) ASSERT_NEAR(portable::sin(x), std::sin(x), 1e-15);
}

TEST(portable_math, normal_distribution_and_its_inverse) {
  for (double z = -7; z <= 7; z += 0.001) {
    ASSERT_NEAR(portable::normal_cdf(z), 0.5 * std::erfc(-z / std::sqrt(2.0)), 1e-14) << z;
  }
  // Through erfc of libm, which keeps its relative accuracy in the tail.
  for (const double p : {1e-300, 1e-100, 1e-30, 1e-11, 1e-6, 0.01, 0.0749, 0.0751, 0.3, 0.5}) {
    const double z = portable::normal_quantile(p);
    EXPECT_NEAR(0.5 * std::erfc(-z / std::sqrt(2.0)) / p, 1, 1e-12) << p;
  }
  for (double p = 0.0005; p < 1; p += 0.0005) {
    ASSERT_NEAR(0.5 * std::erfc(-portable::normal_quantile(p) / std::sqrt(2.0)), p, 1e-15);
  }
}

}  // namespace
}  // namespace tollgate
