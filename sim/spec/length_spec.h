#pragma once

#include <vector>

#include "sim/spec/places.h"

namespace tollgate {

enum class LengthKind { fixed, uniform, lognormal, quantiles };

/// A distribution of token counts, or of another whole number such as the turns of a conversation.
struct LengthSpec {
  LengthKind kind = LengthKind::fixed;
  double tokens = 0;              ///< fixed: the value
  double low = 0, high = 0;       ///< uniform
  double mean = 0;                ///< lognormal: mean of the tokens
  double sigma = 0;               ///< lognormal: standard deviation of ln tokens
  std::vector<double> quantiles;  ///< quantiles: values at equally spaced probabilities 0..1
  Places places;

  /// Whether a length was given at all.
  bool given() const { return kind != LengthKind::fixed || tokens > 0; }

  /// Mean in tokens: exact for each kind (quantiles: piecewise-linear inverse CDF).
  double average() const;

  /// The distribution as `bins` equally likely values, each the mean of its share (so that the mean
  /// is exact), cut at `longest` tokens. A fixed length is one value.
  std::vector<double> bins(int bins, double longest) const;
};

}  // namespace tollgate
