#pragma once

#include <cmath>

#include "sim/spec/scenario.h"

namespace tollgate {

/// Log-sd of predicted mean latencies.
struct LatencyError {
  double tpot, ttft;
};

/// What queueing and the scheduler's order add to the error of TTFT, once for each pool of engines.
inline constexpr double queueing_log_sd = 0.3;

/// From the log-sd of a step's time: all parts in quadrature. Drafts are accepted as published
/// for other answers; two pools add a router and a link. Calibrated on public runs: docs/method.md,
/// "Error bands".
inline LatencyError latency_error(double step, const MethodSpec& method, bool drafts, bool pools) {
  const double tpot =
      std::hypot(std::hypot(step, method.serving_log_sd),
                 std::hypot(drafts ? method.draft_log_sd : 0, pools ? method.pools_log_sd : 0));
  return {tpot, std::hypot(tpot, queueing_log_sd, pools ? queueing_log_sd : 0)};
}

}  // namespace tollgate
