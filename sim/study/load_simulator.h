#pragma once

#include <vector>

#include "sim/serving/engine/summary.h"
#include "sim/study/simulated_service.h"

namespace tollgate {

/// A simulation's question, apart from the deployment.
struct SimulationQuestion {
  const std::vector<RequestClass>* workload = nullptr;
  LoadSpec load;
  SloSpec slo;
  SimulationSpec simulation;
  std::uint64_t seed = 1;
  double output = 0;  ///< mean generated tokens of a request of the mix
};

/// One simulation: draws of the same load on the same number of replicas.
struct LoadTrial {
  std::vector<ServingSummary> seeds;
  std::vector<EngineCounters> counters;
  std::vector<std::int64_t> cut;
  std::vector<std::int64_t> requests;
};

/// Some class has conversations: its users think, and are not requests all the time.
bool has_conversations(const std::vector<RequestClass>& workload);

/// Runs a load through replicas, request by request.
class LoadSimulator {
 public:
  /// Keeps references to both.
  LoadSimulator(const SimulatedReplica& replica, const SimulationQuestion& question);

  /// As many draws as `seeds`, in parallel. `in_flight`: about how many requests the replicas hold
  /// together, for the length of a draw. `recording`, where given, is filled from the first one.
  /// Throws InputError where a request can never be served.
  LoadTrial run(const LoadSpec& load, int replicas, double in_flight, int seeds,
                Recording* recording = nullptr) const;

  /// Requests of a draw.
  std::int64_t requests(double in_flight) const;

  /// The mean TTFT and TPOT over all draws keep the target, and no draw of a given load is
  /// overloaded.
  bool keeps(const LoadTrial& trial) const;

  /// The question's load as a closed loop of n users.
  LoadSpec users(double n) const;

 private:
  ServingSystem system_of(int replicas, bool by_priority) const;

  const SimulatedReplica& replica_;
  const SimulationQuestion& q_;
  std::int64_t context_;
};

}  // namespace tollgate
