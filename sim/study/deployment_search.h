#pragma once

#include <vector>

#include "sim/placement/sharding.h"
#include "sim/spec/scenario.h"

namespace tollgate {

/// The deployments to try for a candidate: all that agree with what its deployment fixes and that
/// the model allows (heads divisible by `tensor`, experts by `expert`, stages at least one layer).
/// With no size given: powers of two up to the scale-up domain (at most 72) and the domain itself;
/// with `beyond_domain` two, four and eight domains, for when nothing smaller fits. Pipelines are
/// tried only across domains, data-parallel attention only for mixtures: for a dense model it
/// equals replicas.
std::vector<Deployment> deployments_to_try(const CandidateSpec& candidate, bool beyond_domain);

}  // namespace tollgate
