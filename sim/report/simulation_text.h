#pragma once

#include <string>
#include <vector>

#include "sim/study/simulated_result.h"

namespace tollgate {

/// What a simulation adds to the closed form, a label and a text each: percentiles with their 95 %
/// intervals over the draws, classes, verdict, and how far the closed form is from it.
struct LabelledLine {
  std::string label, text;
};
std::vector<LabelledLine> simulation_lines(const SimulatedResult& result);

}  // namespace tollgate
