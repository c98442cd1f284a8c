#pragma once

#include <string>

#include "sim/study/operating_point.h"

namespace tollgate {

/// Why throughput or TPOT of the closed form may be more than 5 % from those of the simulation of
/// single requests at the same load, as a sentence; "" where tests hold the two to 5 %
/// (tests/study/fidelity_test.cpp).
std::string closed_form_caveat(const Scenario& scenario, const CandidateSpec& candidate,
                               const Deployment& deployment, const OperatingPoint& point);

}  // namespace tollgate
