#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sim/study/run_result.h"

namespace tollgate {

/// The lines of a candidate's block that are about money: what an hour costs and why, what a token
/// of each class costs and brings, energy, and the further answers. Each a label and a text;
/// every dollar with the date of its price. `marked`: estimates carry provenance marks.
std::vector<std::pair<std::string, std::string>> cost_lines(const CandidateResult& candidate,
                                                            bool marked);

}  // namespace tollgate
