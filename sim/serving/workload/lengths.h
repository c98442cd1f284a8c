#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "sim/spec/length_spec.h"

namespace tollgate {

/// Whole token counts of a LengthSpec by its inverse distribution function, rounded, at least 1.
class LengthSampler {
 public:
  /// Draws above `most` become that.
  explicit LengthSampler(const LengthSpec& spec, std::int32_t most = 100'000'000);

  /// The quantile at `u` in (0, 1); does not fall with u.
  std::int32_t at(double u) const;

  /// The quantile at the normal distribution function of `z`.
  std::int32_t at_normal(double z) const;

  /// Mean of the rounded counts, over 65,536 equally spaced u.
  double mean() const;

 private:
  std::int32_t rounded(double tokens) const;

  LengthKind kind_ = LengthKind::fixed;
  double most_;
  double fixed_ = 0, mu_ = 0, sigma_ = 0;
  std::vector<double> knots_;  ///< uniform and quantiles
};

/// Prompt and answer of a request, tied by a Gaussian copula: of two normal variables with the
/// correlation 2 sin(pi r / 6), the ranks have Spearman's correlation r (Kruskal, JASA 53, 1958).
class PairSampler {
 public:
  /// `correlation` is Spearman's, -1..1.
  PairSampler(const LengthSpec& input, const LengthSpec& output, double correlation);

  std::pair<std::int32_t, std::int32_t> at(std::uint32_t word, std::uint32_t other) const;

 private:
  LengthSampler input_, output_;
  double common_ = 0, own_ = 1;
};

}  // namespace tollgate
