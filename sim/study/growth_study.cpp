#include "sim/study/growth_study.h"

#include <cmath>

#include "sim/base/text.h"

namespace tollgate {
namespace {

std::string percent(double share) {
  return significant(100 * share, std::fabs(share) < 10 ? 3 : 4) + " %";
}

std::string times(double multiple) { return significant(multiple, 3) + "-fold"; }

void study_series(const GrowthSpec& g, GrowthResult& r) {
  const int steps = g.periods > 0 ? g.periods : static_cast<int>(g.series.size()) - 1;
  r.total = g.series.back().tokens / g.series.front().tokens;
  r.per_step = growth_per_step(r.total, steps);
  const int said = g.steps.value_or(steps);
  if (g.change) {
    const bool fits = std::fabs(r.total - 1 - *g.change) <= 0.01 * std::fabs(1 + *g.change);
    r.findings.push_back("The series changed by " + percent(r.total - 1) + "; " +
                         percent(*g.change) + " is claimed, which " +
                         (fits ? "fits." : "does not fit."));
  }
  if (said != steps) {
    r.findings.push_back(std::to_string(g.series.size()) + " values are " + std::to_string(steps) +
                         " steps, not " + std::to_string(said) + ": " + percent(r.per_step) +
                         " a step, not " + percent(growth_per_step(r.total, said)) + ".");
  }
}

}  // namespace

GrowthResult study_growth(const GrowthSpec& g) {
  GrowthResult r;
  r.growth = g;
  if (!g.series.empty()) {
    study_series(g, r);
    return r;
  }
  if (g.yearly_growth) r.by_rate = growth_from_rate(*g.yearly_growth, g.years);
  if (g.multiple) r.by_multiple = growth_from_multiple(*g.multiple, g.years);
  if (g.end) r.by_end = growth_from_multiple(*g.end / g.base, g.years);
  const auto reading = [&](const Growth& whole, const std::string& said) {
    const double rate = *g.yearly_growth;
    const std::string year = percent(whole.yearly_rate) + " a year";
    switch (reconcile(rate, whole.multiple, g.years)) {
      case GrowthReading::agree:
        return said + " and " + percent(rate) + " a year say the same.";
      case GrowthReading::rate_is_multiple:
        return said + " is " + year + ", not " + percent(rate) + ", which would be " +
               times(r.by_rate->multiple) + ". It fits " + significant(rate, 3) +
               " times as much every year (" + times(std::pow(rate, g.years)) +
               "): the yearly multiple was called a growth rate.";
      case GrowthReading::contradict:
        break;
    }
    return said + " is " + year + ", and " + percent(rate) + " a year is " +
           times(r.by_rate->multiple) + ": they contradict each other.";
  };
  if (r.by_rate && r.by_multiple)
    r.findings.push_back(reading(*r.by_multiple, times(r.by_multiple->multiple)));
  if (r.by_rate && r.by_end) {
    r.findings.push_back(
        reading(*r.by_end, "From the base to the end, " + times(r.by_end->multiple) + ","));
  }
  if (r.by_multiple && r.by_end &&
      std::fabs(std::log(r.by_multiple->multiple / r.by_end->multiple)) > 0.005) {
    r.findings.push_back("From the base to the end is " + times(r.by_end->multiple) + ", not " +
                         times(r.by_multiple->multiple) + ".");
  }
  if (g.observed) {
    const double ratio = g.observed->tokens / g.base;
    r.findings.push_back("The rate of " + g.observed->date + " is " + significant(ratio, 2) +
                         " times the base" +
                         (g.from > 0 ? " of " + std::to_string(g.from) : std::string()) + ".");
  }
  return r;
}

}  // namespace tollgate
