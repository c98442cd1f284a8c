#include "sim/serving/workload/lengths.h"

#include <algorithm>
#include <cmath>

#include "sim/serving/workload/draws.h"
#include "sim/base/portable_math.h"

namespace tollgate {
namespace {

/// Distribution function of the normal distribution, linear between 4,096 steps over [-8, 8]; off
/// by 5e-7 at most.
class NormalTable {
 public:
  NormalTable() {
    for (std::size_t i = 0; i <= steps; ++i) {
      values_[i] = portable::normal_cdf(-8 + 16 * static_cast<double>(i) / steps);
    }
  }
  double at(double z) const {
    const double x = (std::clamp(z, -8.0, 8.0) + 8) * (steps / 16.0);
    const auto i = std::min(static_cast<std::size_t>(x), steps - 1);
    return values_[i] + (x - static_cast<double>(i)) * (values_[i + 1] - values_[i]);
  }

 private:
  static constexpr std::size_t steps = 4096;
  double values_[steps + 1];
};

double normal_cdf(double z) {
  static const NormalTable table;
  return table.at(z);
}

}  // namespace

LengthSampler::LengthSampler(const LengthSpec& spec, std::int32_t most)
    : kind_(spec.kind), most_(most) {
  switch (spec.kind) {
    case LengthKind::fixed:
      fixed_ = spec.tokens;
      break;
    case LengthKind::uniform:
      knots_ = {spec.low, spec.high};
      break;
    case LengthKind::lognormal:
      sigma_ = spec.sigma;
      mu_ = portable::log(spec.mean) - sigma_ * sigma_ / 2;
      break;
    case LengthKind::quantiles:
      knots_ = spec.quantiles;
      break;
  }
}

std::int32_t LengthSampler::rounded(double tokens) const {
  return static_cast<std::int32_t>(std::clamp(tokens, 1.0, most_) + 0.5);
}

std::int32_t LengthSampler::at(double u) const {
  if (kind_ == LengthKind::fixed) return rounded(fixed_);
  if (kind_ == LengthKind::lognormal) {
    return rounded(portable::exp(mu_ + sigma_ * portable::normal_quantile(u)));
  }
  const double x = u * static_cast<double>(knots_.size() - 1);
  const auto i = std::min(static_cast<std::size_t>(x), knots_.size() - 2);
  return rounded(knots_[i] + (x - static_cast<double>(i)) * (knots_[i + 1] - knots_[i]));
}

std::int32_t LengthSampler::at_normal(double z) const {
  if (kind_ == LengthKind::lognormal) return rounded(portable::exp(mu_ + sigma_ * z));
  return at(normal_cdf(z));
}

double LengthSampler::mean() const {
  constexpr int points = 65536;
  double sum = 0;
  for (int i = 0; i < points; ++i) sum += at((i + 0.5) / points);
  return sum / points;
}

PairSampler::PairSampler(const LengthSpec& input, const LengthSpec& output, double correlation)
    : input_(input), output_(output) {
  constexpr double pi = 3.14159265358979323846;
  common_ = 2 * portable::sin(pi / 6 * correlation);
  own_ = std::sqrt(std::max(0.0, 1 - common_ * common_));
}

std::pair<std::int32_t, std::int32_t> PairSampler::at(std::uint32_t word,
                                                      std::uint32_t other) const {
  if (common_ == 0) return {input_.at(unit(word)), output_.at(unit(other))};
  const double x = portable::normal_quantile(unit(word));
  const double y = common_ * x + own_ * portable::normal_quantile(unit(other));
  return {input_.at_normal(x), output_.at_normal(y)};
}

}  // namespace tollgate
