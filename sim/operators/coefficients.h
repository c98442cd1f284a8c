#pragma once

#include <string>
#include <vector>

#include "sim/operators/fit.h"
#include "sim/spec/schema.h"

namespace tollgate {

/// A curve fitted to the measurements of one operator, backend, precision and kernel on one device,
/// as models/hardware/operators/DEVICE.yaml keeps it.
struct FittedCurve {
  std::string op, backend, version, precision, kernel;
  bool preferred = false;          ///< among the kernels of this operator, backend and precision
  std::string source;              ///< of the measurements
  std::string date;                ///< on which it was fitted
  double rows = 0;                 ///< measurements in the tables
  double fitted = 0;               ///< shapes the fit saw
  std::vector<double> parameters;  ///< in the order of OperatorCurve::parameters
  std::vector<double> lowest, highest;  ///< of each column in the data
  double held_out = 0;                  ///< shapes the fit did not see
  double median_ape = 0, p90_ape = 0;   ///< on those; of the fit itself where held_out is 0
  double coverage = 0;                  ///< share of those within the band
  double low = 1, high = 1;  ///< P10 and P90 of measured / predicted, from shapes it did not see
  Places places;

  OperatorKey key() const { return {op, backend, precision, kernel}; }
  const OperatorCurve& curve() const;  ///< throws std::logic_error for an unknown operator
};

/// All curves of one device.
struct DeviceCurves {
  std::string name;  ///< of models/hardware
  std::vector<FittedCurve> curves;
  Places places;
};

const Schema<DeviceCurves>& device_curves_schema();

/// The file's text, `schema_version` included. Reading gives the same numbers but for their last
/// bit (units), and the same text again.
std::string to_text(const DeviceCurves& curves);

/// Six significant digits.
double rounded(double value);

}  // namespace tollgate
