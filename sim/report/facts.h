#pragma once

#include <string>
#include <vector>

#include "sim/base/estimate.h"
#include "sim/study/run_result.h"

namespace tollgate {

// Questions about a result that every printer asks and must answer alike.

/// The estimate can be shown: finite, ordered, not negative.
bool showable(const Estimate& estimate);

/// There is an operating point: throughput, latency and cost mean something.
bool has_operating_point(const CandidateResult& candidate);

/// Indices of the candidates: those that meet the SLO by cost, then those that run but miss it by
/// cost, then those that do not fit, in scenario order.
std::vector<std::size_t> by_cost(const RunResult& result);

/// "TP1 DP8 EP8 PP2": attention tensor parallel, attention data parallel, expert parallel,
/// pipeline; what is 1 is left out, and "1 GPU" stands alone.
std::string deployment_text(const CandidateResult& candidate);

/// "2 x TP4" of a pool's engines.
std::string pool_text(const PoolResult& pool);

/// The name without " on HARDWARE", where that was made from model and hardware.
std::string short_name(const CandidateResult& candidate);

/// No layer was routed: a dense model.
bool is_dense(const CandidateResult& candidate);

}  // namespace tollgate
