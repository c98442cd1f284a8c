#pragma once

#include "sim/study/operating_point.h"
#include "sim/study/run_result.h"

namespace tollgate {

/// One candidate of a scenario: tries deployments and reports the best.
class CandidateStudy {
 public:
  /// Keeps references to the arguments. `scenario` is `asked` on average (average_traffic.h), for
  /// the closed form; `context` is how many tokens a prompt and its answer may have.
  CandidateStudy(const Scenario& scenario, const Scenario& asked, const CandidateSpec& candidate,
                 const WorkloadMix& mix, std::int64_t context, const EngineCurves& curves);

  /// Those of the deployments whose weights and one sequence fit in memory.
  std::vector<Deployment> that_fit(const std::vector<Deployment>& deployments) const;

  /// The best of `fitting`: keeps the target, then costs least, then answers fastest; among those
  /// that miss it, the fastest. `note` is added to the reason. Throws InputError when the load
  /// cannot be carried.
  CandidateResult report(const std::vector<Deployment>& fitting, const RoutingTables& routing,
                         const std::string& note) const;

  /// Why none fits. `tried` may be empty.
  CandidateResult explain_misfit(const std::vector<Deployment>& tried) const;

 private:
  struct Trial;

  /// Tokens a resident sequence takes in the cache.
  double resident_context() const;
  CandidateResult describe() const;
  MemoryPlan memory(const Deployment& d) const;
  void fill_deployment(const Deployment& d, CandidateResult& r) const;
  void fill_memory(const MemoryPlan& plan, double sequences, const Deployment& d,
                   CandidateResult& r) const;
  void fill_times(const StepModel& model, const Trial& best, CandidateResult& r,
                  double& log_sd) const;
  void fill_cost(const StepModel& model, const Trial& best, double log_sd,
                 CandidateResult& r) const;
  /// Replaces the operating point by that of the simulation.
  void simulate(const RoutingTables& routing, Trial& best, CandidateResult& r) const;
  std::string reason_of(const Trial& best) const;

  const Scenario& scenario_;
  const Scenario& asked_;
  const CandidateSpec& candidate_;
  const WorkloadMix& mix_;
  std::int64_t context_;
  const EngineCurves& curves_;
  PrecisionMap precision_;
  SchedulerLimits limits_;
};

}  // namespace tollgate
