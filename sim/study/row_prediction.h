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
  std::string note;     ///< assumptions, or why there is no prediction
};

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
