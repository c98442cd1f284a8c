#pragma once

#include <memory>
#include <optional>

#include "sim/placement/cache_transfer.h"
#include "sim/serving/engine/simulate.h"
#include "sim/serving/engine/step_table.h"
#include "sim/spec/scenario.h"

namespace tollgate {

/// What a replica of a candidate needs to be simulated request by request: the scheduler with the
/// engine's rules and the deployment's limits, and step times as an integer table.
class SimulatedService {
 public:
  /// `context` is the longest prompt and answer together, `plan_context` the one the memory plan
  /// was made for. `routing` and `curves` must outlive the service. A pipeline's micro-batches are
  /// ranks of the scheduler, each with its share of the cache.
  SimulatedService(const CandidateSpec& candidate, const Deployment& deployment,
                   const PrecisionMap& precision, const EngineCurves& curves,
                   const RoutingTables& routing, const ContextMix& contexts,
                   const MemoryPlan& memory, double plan_context, std::int64_t context,
                   const SimulationSpec& simulation = {});

  const SchedulerConfig& scheduler() const { return scheduler_; }
  const StepTimer& timer() const { return *table_; }
  double ingest_per_token() const { return ingest_per_token_; }  ///< seconds
  /// From when a client sends a request until the engine's scheduler has it, seconds.
  double ingest(double prompt_tokens) const { return ingest_ + ingest_per_token_ * prompt_tokens; }

 private:
  SchedulerConfig scheduler_;
  std::unique_ptr<StepTable> table_;
  double ingest_, ingest_per_token_;
};

/// Engines of one kind in a replica. The service must outlive them.
struct SimulatedEngines {
  const SimulatedService* service = nullptr;
  int instances = 1;
};

/// One engine that does everything, or two pools.
struct SimulatedReplica {
  SimulatedEngines main;                    ///< with `prefill`: those that generate answers
  std::optional<SimulatedEngines> prefill;  ///< those that compute prompts
  TransferLink link;                        ///< from these to the others

  const SimulatedService& first() const { return prefill ? *prefill->service : *main.service; }
};

/// A transfer in the clock of the simulation.
TransferLink link_of(const CacheTransfer& transfer);

}  // namespace tollgate
