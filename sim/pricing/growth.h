#pragma once

#include <string_view>

namespace tollgate {

/// Growth over `years` > 0, said in both ways. 330 % a year is a `yearly_rate` of 3.3, which makes
/// 4.3 times as much every year, not 3.3 times.
struct Growth {
  double multiple = 1;     ///< end over beginning, > 0
  double yearly_rate = 0;  ///< (end over beginning)^(1/years) - 1, > -1
};

/// Each throws std::invalid_argument unless all arguments are finite, years > 0, multiple > 0,
/// yearly_rate > -1 and the result is finite.
Growth growth_from_rate(double yearly_rate, double years);
Growth growth_from_multiple(double multiple, double years);

/// What a stated yearly rate and a stated multiple say of each other.
enum class GrowthReading {
  agree,             ///< (1 + rate)^years is the multiple
  rate_is_multiple,  ///< rate^years is: the yearly multiple was called a growth rate
  contradict,        ///< neither
};

/// Statements agree when one is within a tenth of the other, as rounded figures of the press are.
GrowthReading reconcile(double yearly_rate, double multiple, double years);

/// Growth per step of a series whose last value is `multiple` times the first; n values have n - 1
/// steps. Throws std::invalid_argument unless multiple > 0 and steps > 0.
double growth_per_step(double multiple, double steps);

}  // namespace tollgate
