#pragma once

#include <string>
#include <vector>

#include "sim/report/report.h"

namespace tollgate {

/// The block of one candidate in the text report: deployment, memory per GPU, what bounds each
/// phase, the step's operators, routing findings, and the assumptions that are not in `said`.
std::string candidate_text(const CandidateResult& candidate, const std::vector<std::string>& said,
                           const RenderOptions& options);

}  // namespace tollgate
