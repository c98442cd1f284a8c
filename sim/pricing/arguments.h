#pragma once

#include <string_view>

#include "sim/base/estimate.h"

namespace tollgate {

/// Checks of the room's arguments. Each throws std::invalid_argument with a sentence that begins
/// with `what`, for example "the price per hour", so that no result is negative, infinite or not a
/// number.
void require_not_negative(double value, std::string_view what);
void require_positive(double value, std::string_view what);

/// 0 < value <= 1.
void require_fraction(double value, std::string_view what);

/// 0 < low <= value <= high, all finite.
void require_positive(const Estimate& value, std::string_view what);

}  // namespace tollgate
