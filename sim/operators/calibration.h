#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/operators/curve_set.h"
#include "sim/operators/table_reader.h"

namespace tollgate {

struct CalibrationOptions {
  double holdout = 0.2;  ///< share of shapes that the fit does not see
  std::string source;    ///< of the measurements
  std::string date;      ///< ISO
  int split = 0;  ///< which shapes those are: 0 of all published errors, others by another hash
};

/// Measurements that were not used, and why.
struct LeftOut {
  OperatorKey key;
  std::string version;
  long long rows = 0;
  std::string reason;
};

/// Held-out errors of all curves of an operator together, each shape with the same weight.
struct OperatorError {
  std::string op;
  int curves = 0;
  double held_out = 0;
  double median_ape = 0, p90_ape = 0, coverage = 0;
};

struct Calibration {
  std::vector<FittedCurve> curves;  ///< ordered by key
  std::vector<OperatorError> operators;
  std::vector<LeftOut> left_out;
};

/// Shapes of a group that are kept when it is larger: the fit has at most 15 parameters.
inline constexpr std::size_t calibration_cap = 6000;

/// Fits every group of the tables of one device, in parallel over groups; the result does not
/// depend on the number of threads.
///
/// - Of several versions of a backend the newest is taken that has a fifth of the rows of the
///   largest.
/// - Known bad tables (known_bad.h) are left out by name.
/// - The shapes whose hash falls below `holdout` are held out, for every device, backend and kernel
///   alike.
/// - The band, P10 and P90 of measured / predicted, comes from shapes the fit did not see: from one
///   half of the held-out shapes where there are 400 or more (the other half gives the coverage),
///   else from ten-fold cross-validation of the rest, begun at the fit to all, at conformal ranks.
///
/// Throws InputError if nothing can be fitted, or if a unit is mistaken: one row in ten of a group
/// is more than ten times faster than the device's peak allows, or nine in ten reach less than a
/// hundredth of it although none is short enough for the launch to explain that (1 ms).
Calibration calibrate(const HardwareSpec& hardware, const OperatorTables& tables,
                      const CalibrationOptions& options);

/// What stands in for a key that would not be measured here; none if nothing does.
using StandIn = std::function<std::optional<CurveChoice>(const OperatorKey&)>;

/// How well stand-ins predict the held-out shapes of these tables: `held_out`, `median_ape`,
/// `p90_ape` and `coverage` (of the stand-in's widened band) are those of the prediction, `low` and
/// `high` the P10 and P90 of measured / predicted.
Calibration check_transfer(const HardwareSpec& hardware, const OperatorTables& tables,
                           const CalibrationOptions& options, const StandIn& stand_in);

}  // namespace tollgate
