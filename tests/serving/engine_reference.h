#pragma once

#include "sim/serving/engine/simulate.h"

namespace tollgate {

/// The same system, one step after the other, each sequence and each cache block by itself: no
/// closed form, no aggregates, written from the schedulers' rules alone. The oracle of simulate();
/// it shares with it the structs of its interface and nothing else.
Outcome simulate_plainly(const ServingSystem& system, const RequestTable& requests,
                         Recording* recording = nullptr);

}  // namespace tollgate
