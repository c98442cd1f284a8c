#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "tools/serving_runs/measured_run.h"

namespace tollgate {
namespace {

/// The four real vLLM 0.19 runs, request by request, from the same kernel tables: mean end to end
/// within 1 %, TTFT within 5 %, and the mean error of single requests within 1.5 %, by either
/// clock. The host time per step is fitted to these runs (one value per machine, and one for data
/// parallelism).
TEST(measured_runs, are_met_by_both_clocks) {
  const std::filesystem::path data = std::filesystem::path(TOLLGATE_SHARED) / "data/serving";
  if (!std::filesystem::exists(data / "llmservingsim")) {
    GTEST_SKIP() << "no measured runs in " << data;
  }
  for (const MeasuredRun& run : measured_runs()) {
    for (const Clock clock : {Clock::client, Clock::engine}) {
      SCOPED_TRACE(run.tag + (clock == Clock::client ? ", client" : ", engine"));
      const RunComparison c = compare_run(run, data, clock);
      EXPECT_LT(std::abs(c.end_to_end.error()), 0.01);
      EXPECT_LT(std::abs(c.ttft.error()), 0.05);
      EXPECT_LT(c.end_to_end_mape, 0.015);
    }
  }
}

/// 195 preemptions were counted in the RTX 4090 run.
TEST(measured_runs, preempts_as_often_as_the_real_engine) {
  const std::filesystem::path data = std::filesystem::path(TOLLGATE_SHARED) / "data/serving";
  if (!std::filesystem::exists(data / "llmservingsim")) {
    GTEST_SKIP() << "no measured runs in " << data;
  }
  const RunComparison c = compare_run(measured_runs().front(), data, Clock::client);
  EXPECT_NEAR(static_cast<double>(c.counters.preemptions), 195, 20);
}

}  // namespace
}  // namespace tollgate
