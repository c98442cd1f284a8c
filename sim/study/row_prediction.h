#pragma once

#include <functional>

#include "sim/base/estimate.h"
#include "sim/study/measured_row.h"
#include "sim/timing/step_model.h"

namespace tollgate {

/// What is predicted for one measured row.
struct RowPrediction {
  MeasuredRow row;
  bool predicted = false;
  Estimate ttft, tpot;  ///< seconds
  Estimate throughput;  ///< output tokens per second and GPU
  std::string note;     ///< assumptions, or why there is no prediction
};

/// Output tokens per second and GPU of a closed loop with these mean latencies, seconds (Little's
/// law); 0 where one of them is 0. On public runs 2 % above what clients count, because their
/// loops fill and drain.
double output_rate(const MeasuredRow& row, double ttft, double tpot);

int gpus_of(const MeasuredRow& row);

/// What many rows share. References must outlive the predictions.
struct PredictionShelf {
  std::function<const EngineCurves&(const HardwareSpec&, const EngineSpec&)> curves;
  std::function<const RoutingTables&(const LlmSpec&, int expert_ranks)> routing;
};

/// Predicts a row whose scenario has no `why`: the benchmark's closed loop is simulated event by
/// event (sim/study/measured_loop.h) on step times of the fitted curves.
RowPrediction predict_row(const MeasuredRow& row, const RowScenario& scenario,
                          const PredictionShelf& shelf, const MethodSpec& method);

}  // namespace tollgate
