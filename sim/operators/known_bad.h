#pragma once

#include <string_view>

#include "sim/operators/sample.h"

namespace tollgate {

/// A published table that measures something else than it says. Empty fields match anything.
struct KnownBad {
  std::string_view op, hardware, backend, precision, kernel, reason;
};

/// Why rows of this key are not fitted on this hardware (a name of models/hardware); "" if they
/// are.
std::string_view known_bad_reason(std::string_view hardware, const OperatorKey& key);

}  // namespace tollgate
