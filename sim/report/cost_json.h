#pragma once

#include <nlohmann/json.hpp>

#include "sim/study/run_result.h"

namespace tollgate {

/// The object `cost` of a candidate in the JSON report: stack, classes, energy, sales, answers.
/// What is not known or not asked for is null; margins and profits may be negative.
nlohmann::ordered_json cost_json(const CandidateResult& candidate);

}  // namespace tollgate
