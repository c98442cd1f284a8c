#pragma once

#include <string>
#include <vector>

#include "sim/operators/curve.h"

namespace tollgate {

/// What the rows of one fit have in common.
struct OperatorKey {
  std::string op;         ///< of OperatorCurve::op
  std::string backend;    ///< "vllm", "sglang", "trtllm", "nccl", ...
  std::string precision;  ///< of NumberFormat::name
  std::string kernel;     ///< of the backend's choice; may be empty
  auto operator<=>(const OperatorKey&) const = default;
};

/// One measurement.
struct OperatorSample {
  OperatorKey key;
  std::string version;        ///< of the backend
  std::vector<double> shape;  ///< in the order of the curve's columns
  double seconds = 0;
};

}  // namespace tollgate
