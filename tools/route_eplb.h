#pragma once

#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/dispatch/study.h"

namespace tollgate {

/// What planned placement (EPLB) repairs at one number of ranks and one batch size.
struct EplbRow {
  int ranks = 0;
  int batch = 0;
  int slots = 0;  ///< experts plus redundant ones, rounded up to whole slots per rank
  kernels::PlanStudy study;
};

/// Plans on one window of traffic and serves another of the same popularity: `stream` differs. One
/// machine holds `ranks_per_node` ranks where they divide the ranks, else all of them.
std::vector<EplbRow> study_eplb(const kernels::RoutingBackend& backend,
                                const kernels::RoutingProblem& problem, int redundant,
                                int ranks_per_node);

/// The rows as a table, a blank line before it.
std::string eplb_table(const std::vector<EplbRow>& rows, int redundant);

}  // namespace tollgate
