#pragma once

#include <functional>
#include <span>
#include <vector>

#include "sim/operators/sample.h"

namespace tollgate {

/// How far predictions are from measurements: |predicted / measured - 1|.
struct FitError {
  int rows = 0;
  double median_ape = 0, p90_ape = 0;
  double low = 1, high = 1;  ///< P10 and P90 of measured / predicted
  double coverage = 0;       ///< share of rows within the fitted band, where one was given
};

struct CurveFit {
  std::vector<double> parameters;
  FitError training;
  int iterations = 0;
};

/// Fits the parameters of a curve to samples of one key: least squares of a robust (Cauchy) loss of
/// ln(predicted / measured), by Levenberg-Marquardt (Eigen) in the logit of each parameter between
/// its limits, from several starts; what the data leave open stays near the parameter's own start.
/// Deterministic. Throws std::invalid_argument if there are fewer
/// samples than parameters plus two.
CurveFit fit_curve(const OperatorCurve& curve, const CurveContext& context,
                   std::span<const OperatorSample* const> samples);

/// The same by one descent from parameters that fitted similar samples.
CurveFit refit_curve(const OperatorCurve& curve, const CurveContext& context,
                     std::span<const OperatorSample* const> samples,
                     std::span<const double> parameters);

/// Errors of predicted seconds of a shape on samples; the band as below.
using Predictor = std::function<double(const double*)>;
FitError error_of(const Predictor& seconds, std::span<const OperatorSample* const> samples,
                  const FitError* band = nullptr);

/// Errors of given parameters on samples; `low` and `high` of `band` are the factors of the band
/// whose coverage is counted.
FitError error_of(const OperatorCurve& curve, const CurveContext& context,
                  std::span<const double> parameters,
                  std::span<const OperatorSample* const> samples, const FitError* band = nullptr);

}  // namespace tollgate
