#pragma once

#include <string>

#include "sim/report/report.h"

namespace tollgate {

/// For a planner at a terminal: the question with its workload, target and dated prices; a table of
/// the candidates, cheapest first; a block per candidate that says why; the verdict in one
/// sentence.
std::string text_report(const RunResult& result, const RenderOptions& options);

/// The last line of the text report, without newline: which candidate is the cheapest that meets
/// the target, by how much, and whether the error bars leave the order open.
std::string verdict(const RunResult& result);

}  // namespace tollgate
