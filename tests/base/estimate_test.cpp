#include "sim/base/estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tollgate {
namespace {

TEST(Provenance, TheWorstOneWins) {
  EXPECT_EQ(worst(Provenance::exact, Provenance::fitted), Provenance::fitted);
  EXPECT_EQ(worst(Provenance::assumed, Provenance::extrapolated), Provenance::assumed);
  EXPECT_EQ(to_string(Provenance::exact), "exact");
  EXPECT_EQ(to_string(Provenance::fitted), "fitted");
  EXPECT_EQ(to_string(Provenance::extrapolated), "extrapolated");
  EXPECT_EQ(to_string(Provenance::assumed), "assumed");
}

TEST(Estimate, ExactHasNoBand) {
  const Estimate e = exactly(3);
  EXPECT_EQ(e.low, 3);
  EXPECT_EQ(e.value, 3);
  EXPECT_EQ(e.high, 3);
  EXPECT_EQ(e.provenance, Provenance::exact);
}

TEST(Estimate, LogBandIsTheTenthAndNinetiethPercentile) {
  const Estimate e = with_log_sd(10, 0.2, Provenance::fitted);
  EXPECT_NEAR(e.high / e.value, std::exp(1.2815515655 * 0.2), 1e-9);
  EXPECT_NEAR(e.value / e.low, e.high / e.value, 1e-12);
  // 80 % of log-normal draws with this deviation fall inside; 4 sigma of the binomial is 0.0051.
  std::mt19937_64 engine(3);
  std::lognormal_distribution<double> draw(std::log(10), 0.2);
  int inside = 0;
  constexpr int draws = 100000;
  for (int i = 0; i < draws; ++i) {
    const double x = draw(engine);
    inside += x >= e.low && x <= e.high;
  }
  EXPECT_NEAR(static_cast<double>(inside) / draws, 0.8, 0.0051);
}

TEST(Estimate, ZeroDeviationIsExactInValue) {
  const Estimate e = with_log_sd(7, 0, Provenance::assumed);
  EXPECT_EQ(e.low, 7);
  EXPECT_EQ(e.high, 7);
}

TEST(Estimate, InverseTurnsTheBandAround) {
  const Estimate e = inverse(100, {10, 5, 20, Provenance::fitted});
  EXPECT_EQ(e.value, 10);
  EXPECT_EQ(e.low, 5);
  EXPECT_EQ(e.high, 20);
  EXPECT_EQ(e.provenance, Provenance::fitted);
  const Estimate zero = inverse(100, exactly(0));
  EXPECT_EQ(zero.value, 0);
  EXPECT_EQ(zero.high, 0);
}

TEST(Estimate, OperationsKeepTheOrder) {
  std::mt19937_64 engine(11);
  std::uniform_real_distribution<double> any(0.001, 1000), deviation(0, 1.5);
  const auto ordered = [](const Estimate& e) { return e.low <= e.value && e.value <= e.high; };
  for (int i = 0; i < 1000; ++i) {
    const Estimate a = with_log_sd(any(engine), deviation(engine), Provenance::fitted);
    const Estimate b = with_log_sd(any(engine), deviation(engine), Provenance::extrapolated);
    EXPECT_TRUE(ordered(a));
    EXPECT_TRUE(ordered(scaled(a, any(engine))));
    EXPECT_TRUE(ordered(inverse(any(engine), a)));
    const Estimate both = sum(a, b);
    EXPECT_TRUE(ordered(both));
    EXPECT_EQ(both.provenance, Provenance::extrapolated);
    EXPECT_DOUBLE_EQ(both.value, a.value + b.value);
    const Estimate twice = inverse(1, inverse(1, a));
    EXPECT_NEAR(twice.low / a.low, 1, 1e-12);
    EXPECT_NEAR(twice.high / a.high, 1, 1e-12);
  }
}

}  // namespace
}  // namespace tollgate
