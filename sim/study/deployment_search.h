#pragma once

#include <vector>

#include "sim/placement/sharding.h"
#include "sim/spec/scenario.h"

namespace tollgate {

/// The deployments to try for a candidate: all that agree with what its deployment fixes and that
/// the model allows (heads divisible by `tensor`, stages at least one layer, experts not split over
/// more ranks than there are). With no size given, powers of two up to one machine are tried, and
/// larger ones, up to the scale-up domain (at least 16), as `beyond_one_machine`, for when no smaller one
/// fits. Data-parallel attention is tried for mixtures only: for a dense model it equals replicas.
std::vector<Deployment> deployments_to_try(const CandidateSpec& candidate, bool beyond_one_machine);

}  // namespace tollgate
