#pragma once

#include "sim/spec/scenario.h"

namespace tollgate {

/// The scenario as the steady state sees it: classes of independent requests at a constant rate.
///
/// - A trace becomes one class with its lengths, 201 quantiles each, at its mean rate, and with the
///   hit rate of a prefix cache that never forgets.
/// - A class with a session keeps the prompts and the hit rate that it was given; what it was not
///   given is that of 20,000 of its requests, whose prefixes are all kept. With sub-agents the
///   answers are those of 20,000 requests too.
/// - Arrival processes, correlations, priorities and promises per class have no place in it.
///
/// `context` is the longest prompt and answer together. Throws InputError for a trace that cannot
/// be read or takes no time, and for a think time of a closed loop, which the steady state lacks.
Scenario on_average(Scenario scenario, std::int64_t context);

}  // namespace tollgate
