#pragma once

#include "sim/serving/steady_state.h"

namespace tollgate {

/// An engine that only computes prompts, at a rate of arrivals: means.
struct PrefillPace {
  double waiting = 0;   ///< seconds until the step that begins a prompt
  double own = 0;       ///< seconds of the steps that compute it
  double busy = 0;      ///< share of time in which the engine computes
  double together = 1;  ///< prompts of a group that end in one step
  double step = 0;      ///< seconds of a step
  StepLoad load;        ///< a step
};

/// Closed form of a prefill engine of a disaggregated pair (method.md, "Two pools").
class PrefillPool {
 public:
  /// Keeps references to the arguments. `spread` is the squared coefficient of variation of the
  /// gaps between arrivals: 1 for Poisson, 1 / n for one of n engines that are served in turn.
  PrefillPool(const StepModel& model, const WorkloadMix& mix, const SchedulerLimits& limits,
              double spread, double time_scale);

  /// Prompts per second with every step full.
  double capacity() const { return capacity_; }

  /// At `rate` prompts per second, below the capacity. Of the work there, an arrival finds the
  /// share `others`: (N - 1) / N in a population of N.
  PrefillPace at(double rate, double others) const;

 private:
  /// A step with prompts in `busy` groups.
  StepLoad load_of(double tokens, double busiest, double busy) const;
  double seconds(double tokens, double busiest, double busy) const;
  double largest_of(double busy) const;

  const StepModel& model_;
  const WorkloadMix& mix_;
  bool async_;
  double spread_, time_scale_;
  double groups_, largest_;
  double room_;    ///< prompt tokens of a group's step
  double uneven_;  ///< spread of the mean position of a group's prompt tokens, over its mean
  double full_;    ///< seconds of a full step
  double capacity_;
};

}  // namespace tollgate
