#pragma once

#include "sim/study/run_result.h"

namespace tollgate {

/// The candidate with the sizes of its engines fixed to those that a run chose, so that one
/// assumption at a time can be varied. How many engines a pool has stays as the scenario says.
CandidateSpec as_chosen(CandidateSpec candidate, const CandidateResult& result);

}  // namespace tollgate
