#include <gtest/gtest.h>

#include <sstream>

#include "sim/serving/engine/simulate.h"
#include "tools/cli.h"
#include "tools/command.h"

namespace tollgate {
namespace {

/// Breaks its promise that a step takes time, so that the simulation cannot go on.
struct BrokenTimer : StepTimer {
  Ticks step(std::span<const RankBatch>) const override { return 0; }
  DecodeLine decode(std::span<const RankBatch>) const override { return {}; }
};

/// A simulation that comes to a halt is not the user's fault, and the program says so.
TEST(Bug, AStuckSimulationIsOursAndSaysSo) {
  BrokenTimer timer;
  ServingSystem system;
  system.engines.timer = &timer;
  system.engines.scheduler.blocks = 100;
  RequestTable requests;
  requests.arrival = {0};
  requests.input = requests.output = {10};
  std::ostringstream err;
  const int code = exit_code_of(
      [&] {
        simulate(system, requests);
        return exit_code::ok;
      },
      err);
  EXPECT_EQ(code, 70);
  EXPECT_EQ(err.str(),
            "This is a bug in tollgate: the serving simulator is stuck: a step takes no time.\n");
}

}  // namespace
}  // namespace tollgate
