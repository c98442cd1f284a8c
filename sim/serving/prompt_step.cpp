#include "sim/serving/prompt_step.h"

#include <algorithm>
#include <cmath>

#include "sim/base/portable_math.h"

namespace tollgate {
namespace {

/// E[H_K | K >= 1] of K binomial: `groups` draws, each with probability `busy`.
double mean_harmonic(double groups, double busy) {
  const int n = static_cast<int>(groups);
  const double odds = busy / std::max(1e-12, 1 - busy);
  double ways = std::pow(1 - busy, n);  // of k busy groups
  if (ways < 1e-280) ways = 1e-280;     // hardly any group is idle
  double sum = 0, weight = 0, harmonic = 0;
  for (int k = 1; k <= n; ++k) {
    ways *= odds * (n - k + 1) / k;
    harmonic += 1.0 / k;
    sum += ways * harmonic;
    weight += ways;
  }
  return std::isfinite(sum / weight) ? sum / weight : harmonic;
}

}  // namespace

PromptStep prompt_step(double arrivals, const PromptDemand& demand) {
  const double per_group = arrivals / demand.groups;
  const double filled = demand.tokens / demand.room;  // steps' worth of a prompt
  // The last of several chunks is half full on average, unless another prompt fills it.
  const double steps = std::max(1.0, filled + 0.5);
  const double busy =
      std::clamp(std::max(per_group * filled, -std::expm1(-per_group * steps)), 1e-12, 1.0);
  const double chunk = std::min(demand.room, per_group * demand.tokens / busy);
  PromptStep step;
  step.busy = busy;
  step.share = demand.groups > 1
                   ? -std::expm1(demand.groups * std::log1p(-std::min(busy, 1 - 1e-12)))
                   : busy;
  const double together = demand.groups * busy / step.share;
  step.tokens = together * chunk;
  const double prompts = std::max(1.0, per_group / busy);
  const double cv = std::sqrt(demand.scv / prompts);
  // Of a Poisson number that is at least one: variance n (1 + lambda - n) for the mean n.
  const double counts = std::max(0.0, 1 + per_group - prompts);
  if (filled < 1) step.cv = std::sqrt((demand.scv + counts) / prompts);
  const double excess = cv * chunk * (mean_harmonic(demand.groups, busy) - 1);
  const double left = demand.room - chunk;
  step.busiest = chunk + (left > 0 ? left * -std::expm1(-excess / left) : 0);
  return step;
}

double largest_of_normals(double n) {
  if (n <= 1) return 0;
  return portable::normal_quantile(std::pow(0.5264, 1 / n));
}

}  // namespace tollgate
