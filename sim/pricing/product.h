#pragma once

#include "sim/base/estimate.h"

namespace tollgate {

/// Product of two estimates with independent log-normal errors: their log bands add as the sides
/// of a right angle. An exact factor only scales. Estimates must be positive or zero.
Estimate product(const Estimate& a, const Estimate& b);

/// `numerator` / `denominator`, errors independent as above. A zero denominator gives zero.
Estimate quotient(const Estimate& numerator, const Estimate& denominator);

}  // namespace tollgate
