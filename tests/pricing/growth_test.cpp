#include "sim/pricing/growth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace tollgate {
namespace {

TEST(Growth, ARateAndAMultipleAreTwoWaysToSayIt) {
  // (1 + 3.3)^5, 370^(1/5) - 1 and 390^(1/5) - 1, worked out by hand to the digits given.
  EXPECT_NEAR(growth_from_rate(3.30, 5).multiple, 1470.1, 0.05);
  EXPECT_NEAR(growth_from_multiple(370, 5).yearly_rate, 2.263, 0.0005);
  EXPECT_NEAR(growth_from_multiple(390, 5).yearly_rate, 2.298, 0.0005);
  for (const double rate : {-0.5, 0.0, 0.07, 3.3}) {
    for (const double years : {0.25, 1.0, 7.0}) {
      const Growth there = growth_from_rate(rate, years);
      EXPECT_NEAR(growth_from_multiple(there.multiple, years).yearly_rate, rate, 1e-12);
    }
  }
}

TEST(Growth, SaysWhichReadingOfTwoFiguresFits) {
  EXPECT_EQ(reconcile(3.3, 1470, 5), GrowthReading::agree);
  EXPECT_EQ(reconcile(2.263, 370, 5), GrowthReading::agree);
  EXPECT_EQ(reconcile(3.3, 370, 5), GrowthReading::rate_is_multiple);
  EXPECT_EQ(reconcile(3.3, 390, 5), GrowthReading::rate_is_multiple);
  EXPECT_EQ(reconcile(3.3, 30, 5), GrowthReading::contradict);
  EXPECT_EQ(reconcile(-0.5, 30, 5), GrowthReading::contradict);
}

TEST(Growth, StepsAreOneFewerThanValues) {
  EXPECT_NEAR(growth_per_step(5.16 / 2.27, 2), 0.508, 0.0005);
  EXPECT_NEAR(growth_per_step(5.16 / 2.27, 3), 0.315, 0.0005);
  EXPECT_NEAR(growth_per_step(28.9 / 20.6, 5), 0.07006, 0.000005);
}

TEST(Growth, RefusesWhatCannotGrow) {
  EXPECT_THROW(growth_from_multiple(-370, 5), std::invalid_argument);
  EXPECT_THROW(growth_from_multiple(370, 0), std::invalid_argument);
  EXPECT_THROW(growth_from_rate(-1, 5), std::invalid_argument);
  EXPECT_THROW(growth_from_rate(1e300, 5), std::invalid_argument);
  EXPECT_THROW(growth_from_rate(std::nan(""), 5), std::invalid_argument);
  EXPECT_THROW(reconcile(3.3, 0, 5), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate
