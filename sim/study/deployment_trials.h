#pragma once

#include <optional>
#include <vector>

#include "sim/serving/two_pools.h"
#include "sim/study/operating_point.h"
#include "sim/study/pool_study.h"

namespace tollgate {

/// The engines that serve a candidate: those that generate answers, and where it is disaggregated
/// those that compute the prompts; otherwise the first do both.
struct ServingPools {
  PoolStudy main;
  std::optional<PoolStudy> prefill;
  DisaggregationSpec disaggregation;  ///< with `prefill`

  bool fit() const { return !main.fitting().empty() && (!prefill || !prefill->fitting().empty()); }
};

/// Engines of one kind as a replica has them.
struct ChosenEngines {
  Deployment deployment;
  MemoryPlan memory;
  int instances = 1;
  int gpus() const { return instances * deployment.gpus(); }
};

/// A deployment with everything worked out.
struct DeploymentTrial {
  ChosenEngines main;
  std::optional<ChosenEngines> prefill;
  CacheTransfer transfer;  ///< with `prefill`
  PoolRates alone;         ///< likewise: what each part could carry under the targets
  OperatingPoint point;
  OperatingPoint closed_form;  ///< `point`, unless that was simulated
  double gpu_hours = 0;        ///< per million output tokens

  int gpus() const { return main.gpus() + (prefill ? prefill->gpus() : 0); }
  /// Keeps the target, then costs less, then answers faster.
  bool better_than(const DeploymentTrial& other) const;
};

/// Step times of a trial's engines.
struct TrialModels {
  StepModel main;
  std::optional<StepModel> prefill;
  const StepModel& prompts() const { return prefill ? *prefill : main; }
};

/// Tries the deployments of a candidate in closed form.
class DeploymentTrials {
 public:
  /// Keeps references to the arguments. `scenario` is on average (average_traffic.h). The pools
  /// fit.
  DeploymentTrials(const Scenario& scenario, const WorkloadMix& mix, const ServingPools& pools,
                   const RoutingTables& routing);

  /// The best of all, with step times and the room for sequences times what is given. Of two pools
  /// the deployments that serve most by themselves are paired; the numbers of engines are matched
  /// (pool_matching.h) by what each carries in the pair, one of each where not even one request
  /// keeps the targets, and the operating point is found for the pairs that seem cheapest.
  DeploymentTrial best(double time_scale = 1, double room = 1) const;

  TrialModels models(const DeploymentTrial& trial) const;

  /// Of the sequences that a decode engine's memory holds, those it takes: SGLang reserves tokens
  /// for each.
  double decode_room(double batch) const;

  /// The trial with step times and the room of decode engines for sequences times what is given. Of
  /// two pools, whose numbers are matched for the targets, others may be better then: the better of
  /// them and of its own.
  DeploymentTrial rescaled(const DeploymentTrial& trial, const TrialModels& models,
                           double time_scale, double room) const;

 private:
  /// Engines of a pool with what they serve by themselves.
  struct Engines {
    ChosenEngines chosen;
    StepModel model;
    double gpus_per_rate = 0;  ///< accelerators for a request per second
  };

  /// How step times and room differ from their central values.
  struct Scale {
    double time = 1, room = 1;
  };

  /// The operating point of a trial with room for `batch` sequences in each of its main engines.
  OperatingPoint point_of(const DeploymentTrial& trial, const TrialModels& models,
                          double time_scale, double batch) const;
  DeploymentTrial best_alone(Scale scale) const;
  std::vector<Engines> shortlist(bool prefill, Scale scale) const;
  DeploymentTrial best_pair(Scale scale) const;
  void finish(DeploymentTrial& trial, const TrialModels& models, Scale scale) const;
  /// The pools of a trial, with `room` times the sequences a decode engine holds.
  TwoPools two_pools(const DeploymentTrial& trial, const StepModel& prefill,
                     const StepModel& decode, double room) const;
  CacheTransfer transfer_of(const Deployment& prefill, const Deployment& decode, int gpus) const;

  const Scenario& scenario_;
  const WorkloadMix& mix_;
  const ServingPools& pools_;
  const RoutingTables& routing_;
};

}  // namespace tollgate
