#include "sim/pricing/fleet.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace tollgate {
namespace {

constexpr double day = 86400;

/// DeepSeek's day of February 2025: 608 G + 168 G tokens on 226.75 nodes of 8 H800 at 2 USD/h.
FleetUnit deepseek_day() {
  FleetUnit unit;
  unit.tokens_per_second_per_gpu = exactly((608e9 + 168e9) / 226.75 / 8 / day);
  unit.gpus_per_replica = 8;
  unit.usd_per_gpu_hour = 2;
  unit.watts_per_gpu = 1730;
  return unit;
}

TEST(Fleet, ServesChinaOfMarch2026AsDeepSeekServedItsDay) {
  const Fleet fleet = fleet_for(140e12 / day, deepseek_day(), 1);
  EXPECT_NEAR(fleet.replicas.value, 40909, 2);  // published with 3.4223 G tokens a node
  EXPECT_NEAR(fleet.gpus.value, 327e3, 0.5e3);
  EXPECT_NEAR(fleet.usd_per_day.value, 15.7e6, 0.05e6);
  EXPECT_NEAR(fleet.megawatts.value, 327.3e3 * 1730 / 1e6, 1);
  EXPECT_NEAR(fleet_for(120e12 / day, deepseek_day(), 1).replicas.value, 35064, 2);
  // The published day itself, at its cost of 87,072 USD.
  const Fleet itself = fleet_for(776e9 / day, deepseek_day(), 1);
  EXPECT_EQ(itself.replicas.value, 227);
  EXPECT_NEAR(itself.usd_per_day.value, 87072, 87072 * 0.002);
}

TEST(Fleet, IsWholeReplicasAndTurnsTheBandAround) {
  FleetUnit unit;
  unit.tokens_per_second_per_gpu = {100, 80, 125, Provenance::fitted};
  unit.gpus_per_replica = 4;
  unit.usd_per_gpu_hour = 1;
  const Fleet fleet = fleet_for(1000, unit, 1);
  EXPECT_EQ(fleet.replicas.value, 3);  // 2.5
  EXPECT_EQ(fleet.replicas.low, 2);    // 2 exactly
  EXPECT_EQ(fleet.replicas.high, 4);   // 3.125
  EXPECT_EQ(fleet.gpus.value, 12);
  unit.utilisation = 0.5;
  EXPECT_EQ(fleet_for(1000, unit, 1).replicas.value, 5);
}

TEST(Fleet, RefusesAnEmptyDemandAndImpossibleUnits) {
  EXPECT_THROW(fleet_for(0, deepseek_day(), 1), std::invalid_argument);
  EXPECT_THROW(fleet_for(1, deepseek_day(), 0.9), std::invalid_argument);
  FleetUnit idle = deepseek_day();
  idle.utilisation = 0;
  EXPECT_THROW(fleet_for(1, idle, 1), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate
