#pragma once

#include <string>
#include <vector>

#include "sim/report/report.h"

namespace tollgate {

/// What the blocks of one report share.
struct BlockContext {
  bool mark_estimates = false;  ///< put a provenance mark behind estimates: they differ
  bool mark_operators = false;
  std::vector<std::string>
      sentences;  ///< assumptions of all candidates, numbered from 1 by position
};

/// The block of one candidate in the text report: deployment, memory per GPU, what bounds each
/// phase, the step's operators, routing findings, and the numbers of its assumptions.
std::string candidate_text(const CandidateResult& candidate, const BlockContext& context,
                           const RenderOptions& options);

}  // namespace tollgate
