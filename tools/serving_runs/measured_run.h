#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sim/serving/engine/simulate.h"
#include "sim/serving/measured/measured_timer.h"

namespace tollgate {

/// One of the real runs: what was served on what, and what the tables do not say.
struct MeasuredRun {
  std::string tag;       ///< of requests_<tag>.csv and prefix_blocks_<tag>.csv
  std::string hardware;  ///< as the layer tables name it
  std::string model;
  MeasuredModel timing;
  SchedulerConfig scheduler;
};

/// The four per-request runs of vLLM 0.19 published with LLMServingSim: 300 ShareGPT requests, ten
/// a second, forced output lengths.
std::vector<MeasuredRun> measured_runs();

/// Whose clock a request's times are taken by.
enum class Clock {
  client,  ///< from sending to receiving
  engine,  ///< from the moment the engine has queued it
};

/// Means in seconds, and the mean of the relative errors request by request.
struct RunComparison {
  struct Metric {
    double measured = 0, simulated = 0;
    double error() const { return simulated / measured - 1; }
  };
  Metric ttft, tpot, end_to_end;
  double end_to_end_mape = 0;
  EngineCounters counters;
  double wall_seconds = 0;  ///< of the simulation
};

/// Simulates a run and compares it with what was measured. `data` holds the folders llmservingsim
/// and llmservingsim_profiles.
RunComparison compare_run(const MeasuredRun& run, const std::filesystem::path& data, Clock clock);

}  // namespace tollgate
