#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels/dispatch/capacity.h"
#include "kernels/dispatch/traffic.h"
#include "sim/timing/expert_plan.h"
#include "tools/arguments.h"
#include "tools/command.h"

namespace tollgate {

/// What `tollgate route` is asked.
struct RouteQuestion {
  std::string name;  ///< of the model and its kind of layer; empty for a gate of one's own
  FfnSpec ffn;
  FamilyPopularity popularity;
  RoutingSpec routing;
  std::uint64_t seed = 1;

  bool prefill = false;
  int prompt = 1;           ///< tokens of one request in a row
  std::vector<int> tokens;  ///< of one step over all ranks
  int steps = 1;            ///< of the largest of `tokens`
  std::vector<int> ranks;

  ExpertPlan plan;
  kernels::ReplicaChoice choice = kernels::ReplicaChoice::rank_and_token;
  kernels::RowFormat format = kernels::RowFormat::fp8;  ///< of dispatch; combine is bf16
  std::optional<kernels::CapacitySpec> capacity;        ///< of experts; none: nothing is dropped
  int width = 0;                                        ///< elements of a row; 0 = not known

  kernels::TransferMode mode() const {
    return prefill ? kernels::TransferMode::normal : kernels::TransferMode::low_latency;
  }
  std::int64_t dispatch_bytes() const;  ///< of a row; 0 if the width is not known
  std::int64_t combine_bytes() const;
};

/// Reads the command line. Throws InputError.
RouteQuestion route_question(const Arguments& arguments);

/// The options that `route_question` reads.
std::vector<OptionHelp> route_question_options();

}  // namespace tollgate
