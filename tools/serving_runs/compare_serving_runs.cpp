#include <cstdio>
#include <exception>
#include <string>

#include "sim/base/error.h"
#include "tools/serving_runs/measured_run.h"

/// Prints how far the serving simulator is from the real runs in DATA, by both clocks.
int main(int argc, char** argv) {
  using namespace tollgate;
  if (argc != 2) {
    std::fprintf(stderr,
                 "usage: compare_serving_runs DATA\n"
                 "DATA holds the folders llmservingsim and llmservingsim_profiles.\n");
    return 2;
  }
  try {
    std::printf("%-42s %-7s %21s %21s %21s %6s %9s %7s\n", "vLLM 0.19, 300 requests at 10/s",
                "clock", "TTFT s", "TPOT ms", "end to end s", "MAPE", "preempted", "wall");
    for (const MeasuredRun& run : measured_runs()) {
      for (const Clock clock : {Clock::client, Clock::engine}) {
        const RunComparison c = compare_run(run, argv[1], clock);
        const auto metric = [](const RunComparison::Metric& m, double unit) {
          char text[64];
          std::snprintf(text, sizeof text, "%6.2f/%6.2f %+5.1f %%", unit * m.simulated,
                        unit * m.measured, 100 * m.error());
          return std::string(text);
        };
        std::printf("%-42s %-7s %21s %21s %21s %4.2f %% %7lld %4.0f ms\n", run.tag.c_str(),
                    clock == Clock::client ? "client" : "engine", metric(c.ttft, 1).c_str(),
                    metric(c.tpot, 1e3).c_str(), metric(c.end_to_end, 1).c_str(),
                    100 * c.end_to_end_mape, static_cast<long long>(c.counters.preemptions),
                    1e3 * c.wall_seconds);
      }
    }
    std::printf(
        "simulated/measured mean and its error; MAPE: mean error of end to end, request by "
        "request\n");
  } catch (const InputError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 70;
  }
  return 0;
}
