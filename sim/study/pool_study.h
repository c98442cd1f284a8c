#pragma once

#include <string>
#include <vector>

#include "sim/placement/memory_plan.h"
#include "sim/serving/steady_state.h"
#include "sim/study/pool_result.h"

namespace tollgate {

/// Why no deployment of a pool holds its model, beside the one that comes closest.
struct Misfit {
  std::string reason;
  std::string limited_by;  ///< "memory", or "deployment" where the sizes given allow none
  Deployment roomiest;
};

/// The engines of one kind that serve a candidate: all of them, or a pool of a disaggregated
/// deployment. Which deployments they may have, and what each needs.
class PoolStudy {
 public:
  /// Keeps references to `method`, `mix` and `curves`. `resident` is how many tokens a sequence in
  /// an engine takes in the cache.
  PoolStudy(CandidateSpec candidate, const MethodSpec& method, const WorkloadMix& mix,
            double resident, const EngineCurves& curves);

  const CandidateSpec& candidate() const { return candidate_; }
  const PrecisionMap& precision() const { return precision_; }
  const SchedulerLimits& limits() const { return limits_; }
  const EngineCurves& curves() const { return curves_; }
  double resident() const { return resident_; }

  /// Those that agree with the candidate's deployment and hold the model and one sequence.
  const std::vector<Deployment>& fitting() const { return fitting_; }
  /// A sentence where the model takes more than one domain, else "".
  const std::string& note() const { return note_; }
  /// Only where none fits.
  Misfit misfit() const;

  MemoryPlan memory(const Deployment& d) const { return memory(d, resident_); }
  MemoryPlan memory(const Deployment& d, double context) const;
  StepModel step_model(const Deployment& d, const RoutingTables& routing) const;

  /// The memory of one engine with `sequences` in it, and how many it holds.
  void fill_memory(const MemoryPlan& plan, double sequences, const Deployment& d, MemoryResult& m,
                   Estimate& largest_batch) const;

 private:
  CandidateSpec candidate_;
  const MethodSpec& method_;
  const WorkloadMix& mix_;
  double resident_;
  const EngineCurves& curves_;
  PrecisionMap precision_;
  SchedulerLimits limits_;
  std::vector<Deployment> tried_, fitting_;
  std::string note_;
};

}  // namespace tollgate
