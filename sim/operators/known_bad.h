#pragma once

#include <span>
#include <string_view>

#include "sim/operators/sample.h"

namespace tollgate {

/// A published table that measures something else than it says. Empty fields match anything.
struct KnownBad {
  std::string_view op, hardware, backend, precision, kernel, reason;
  double ranks_above = 0;  ///< of a collective, only rows with more ranks than this
};

/// Why rows of this key are not fitted on this hardware (a name of models/hardware); "" if they
/// are, or some of them.
std::string_view known_bad_reason(std::string_view hardware, const OperatorKey& key);

/// The same for one shape of a key of which other rows are fitted.
std::string_view known_bad_reason(std::string_view hardware, const OperatorKey& key,
                                  std::span<const double> shape);

/// Why the times of this key hold on this hardware but say nothing about another device, nor others
/// about them: an engine in another state; "" if they travel.
std::string_view stands_alone_reason(std::string_view hardware, const OperatorKey& key);

}  // namespace tollgate
