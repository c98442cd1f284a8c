#pragma once

#include "sim/study/market_result.h"

namespace tollgate {

/// Growth in both ways of saying it, and which of several statements fit together.
GrowthResult study_growth(const GrowthSpec& growth);

}  // namespace tollgate
