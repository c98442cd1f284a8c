#pragma once

#include <string>
#include <vector>

#include "kernels/dispatch/capacity.h"
#include "kernels/dispatch/routed_window.h"
#include "tools/route_question.h"

namespace tollgate {

/// What experts with a capacity drop in steps of one size; one sample per layer and step.
struct CapacityRow {
  int tokens = 0;
  kernels::Distribution capacity;  ///< tokens that an expert takes
  kernels::Distribution dropped;   ///< choices
  kernels::Distribution unserved;  ///< tokens of which every choice was dropped
  double choices = 0;              ///< of a layer and step, on average
};

/// One row per size of step; empty if the question sets no capacity. Throws std::invalid_argument
/// for a capacity of 0 and the like.
std::vector<CapacityRow> study_capacity(const RouteQuestion& question,
                                        const kernels::RoutedWindow& window, int most_steps);

/// "switch", "gshard", "tutel".
std::string name_of(kernels::CapacityRule rule);

}  // namespace tollgate
