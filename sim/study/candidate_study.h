#pragma once

#include "sim/study/deployment_trials.h"
#include "sim/study/run_result.h"

namespace tollgate {

/// One candidate of a scenario: tries deployments and reports the best.
class CandidateStudy {
 public:
  /// Keeps references to the arguments. `scenario` is `asked` on average (average_traffic.h), for
  /// the closed form; `context` is how many tokens a prompt and its answer may have. Throws
  /// InputError where a disaggregated candidate has nothing to decode.
  CandidateStudy(const Scenario& scenario, const Scenario& asked, const CandidateSpec& candidate,
                 const WorkloadMix& mix, std::int64_t context, const EngineCurves& curves);

  /// Those that the report will try, of all pools: their experts are to be routed.
  std::vector<Deployment> deployments() const;

  /// The best deployment: keeps the target, then costs least, then answers fastest; among those
  /// that miss it, the fastest. Or why none fits. Throws InputError when the load cannot be
  /// carried.
  CandidateResult report(const RoutingTables& routing) const;

 private:
  CandidateResult describe() const;
  CandidateResult explain_misfit() const;
  void fill_deployment(const DeploymentTrial& best, CandidateResult& r) const;
  void fill_times(const TrialModels& models, const DeploymentTrial& best, CandidateResult& r,
                  double& log_sd) const;
  void fill_routing(const TrialModels& models, const DeploymentTrial& best,
                    const RoutingTables& routing, CandidateResult& r) const;
  void fill_cost(const DeploymentTrials& trials, const TrialModels& models,
                 const DeploymentTrial& best, double log_sd, CandidateResult& r) const;
  void fill_assumptions(const DeploymentTrials& trials, const TrialModels& models,
                        const DeploymentTrial& best, CandidateResult& r) const;
  /// Replaces the operating point by that of the simulation.
  void simulate(const RoutingTables& routing, DeploymentTrial& best, CandidateResult& r) const;
  std::string reason_of(const DeploymentTrial& best) const;

  const Scenario& scenario_;
  const Scenario& asked_;
  const CandidateSpec& candidate_;
  const WorkloadMix& mix_;
  std::int64_t context_;
  ServingPools pools_;
};

}  // namespace tollgate
