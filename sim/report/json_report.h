#pragma once

#include <string>

#include "sim/study/run_result.h"

namespace tollgate {

/// One JSON object, keys in a fixed order, two-space indent. Every estimate is
/// {value, low, high, unit, provenance}; low and high are the P10 and P90 of the band. What is not
/// known is null: NaN, infinity and, margins and profits aside, negative numbers never appear. Format: `run_format_version`.
std::string json_report(const RunResult& result);

}  // namespace tollgate
