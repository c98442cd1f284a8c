#pragma once

#include <string>
#include <vector>

#include "sim/spec/model_spec.h"

namespace tollgate {

enum class LengthKind { fixed, uniform, lognormal, quantiles };

/// A distribution of token counts.
struct LengthSpec {
  LengthKind kind = LengthKind::fixed;
  double tokens = 0;              ///< fixed: the value
  double low = 0, high = 0;       ///< uniform
  double mean = 0;                ///< lognormal: mean of the tokens
  double sigma = 0;               ///< lognormal: standard deviation of ln tokens
  std::vector<double> quantiles;  ///< quantiles: values at equally spaced probabilities 0..1
  Places places;

  /// Mean in tokens: exact for each kind (quantiles: piecewise-linear inverse CDF).
  double average() const;

  /// The distribution as `bins` equally likely values, each the mean of its share (so that the mean
  /// is exact), cut at `longest` tokens. A fixed length is one value.
  std::vector<double> bins(int bins, double longest) const;
};

/// One class of requests of the mix.
struct RequestClass {
  std::string name;
  double weight = 1;           ///< share of requests (normalised over the mix)
  LengthSpec input;            ///< prompt tokens, cached part included
  LengthSpec output;           ///< generated tokens, at least 1
  double prefix_hit_rate = 0;  ///< fraction of prompt tokens found in the prefix cache, 0..1
  std::vector<Source> sources;
  Places places;
};

/// What is offered to the system. Exactly one kind.
enum class LoadKind {
  saturate,     ///< the largest throughput that keeps the SLO
  concurrency,  ///< that many requests in flight per replica, closed loop
  rate,  ///< requests per second for the whole service; replicas are added until the SLO holds
};
struct LoadSpec {
  LoadKind kind = LoadKind::saturate;
  double concurrency = 0;
  double rate = 0;
  Places places;
};

/// Latency target on means; 0 = not bounded.
struct SloSpec {
  double ttft = 0;  ///< seconds to the first token
  double tpot = 0;  ///< seconds per output token after the first
  Places places;
};

}  // namespace tollgate
