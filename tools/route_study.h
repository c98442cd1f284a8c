#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels/dispatch/step_loads.h"
#include "tools/route_capacity.h"
#include "tools/route_question.h"

namespace tollgate {

/// Ranks at one size of step.
struct RouteRow {
  int tokens = 0, ranks = 0, slots = 0;
  kernels::StepLoads loads;        ///< under the placement asked for
  kernels::DispatchStats traffic;  ///< the same

  /// What planned placement repairs; only for several ranks.
  struct Repair {
    int slots = 0;
    kernels::StepLoads contiguous;
    kernels::StepLoads planned;  ///< on an earlier window of the traffic
    kernels::StepLoads fresh;    ///< on the window served
  };
  std::optional<Repair> repair;
};

struct RouteAnswer {
  std::string source;  ///< what was drawn from
  int layers = 0, top_k = 0;
  std::vector<RouteRow> rows;
  std::vector<CapacityRow> capacity;
  std::vector<std::int64_t> counts;  ///< [layer][expert] over the whole window
};

/// Routes the window once and looks at it under every placement. Throws InputError.
RouteAnswer study_route(const RouteQuestion& question, const kernels::RoutingBackend& backend);

}  // namespace tollgate
