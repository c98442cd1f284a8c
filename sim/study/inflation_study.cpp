#include "sim/study/inflation_study.h"

#include <algorithm>
#include <cmath>

#include "sim/pricing/inflation.h"
#include "sim/study/cost_study.h"

namespace tollgate {
namespace {

struct Trial {
  std::string knob;
  double value = 0;
  Inflation inflation;
};

std::vector<Trial> trials_of(const InflationSpec& spec) {
  std::vector<Trial> trials{{"as it is", 0, {}}};
  const auto add = [&](const char* knob, const std::vector<double>& values, auto set) {
    for (const double value : values) {
      Trial trial{knob, value, {}};
      trial.inflation.tokens_per_turn = spec.tokens_per_turn;
      set(trial.inflation, value);
      trials.push_back(trial);
    }
  };
  add("cache_hit_rate", spec.cache_hit_rate, [](Inflation& i, double v) { i.cache_hit_rate = v; });
  add("prompt_compression", spec.prompt_compression,
      [](Inflation& i, double v) { i.prompt_compression = v; });
  add("reasoning", spec.reasoning, [](Inflation& i, double v) { i.reasoning = v; });
  add("fan_out", spec.fan_out, [](Inflation& i, double v) { i.fan_out = v; });
  add("turns", spec.turns,
      [](Inflation& i, double v) { i.turns = static_cast<int>(std::lround(v)); });
  return trials;
}

}  // namespace

std::vector<InflationResult> inflate_tasks(const Scenario& asked, const CandidateSpec& candidate,
                                           const EngineCurves& curves, const RoutingTables& routing,
                                           double longest) {
  // One knob against another is a ratio: the closed form has no sampling noise in it.
  Scenario scenario = asked;
  scenario.fidelity = Fidelity::analytic;
  std::vector<InflationResult> results;
  for (const Trial& trial : trials_of(*scenario.answers.inflation)) {
    std::vector<RequestClass> workload;
    for (const RequestClass& request : scenario.workload)
      workload.push_back(inflated(request, trial.inflation));
    const WorkloadMix mix = summarise(workload, longest);
    const CandidateStudy study(scenario, scenario, candidate, mix,
                               static_cast<std::int64_t>(longest), curves);
    InflationResult r;
    r.knob = trial.knob;
    r.value = trial.value;
    r.calls = calls_per_task(trial.inflation);
    r.input = r.calls * mix.input;
    r.cached = r.calls * mix.cached;
    r.output = r.calls * mix.output;
    if (candidate.prices.tariff) r.price_per_task = r.calls * price_of_request(candidate, mix);
    const CandidateResult at = study.report(routing);
    r.runs = at.fits && at.meets_slo;
    if (at.fits) {
      r.gpu_hours_per_million = at.cost.gpu_hours_per_million;
      r.usd_per_task = scaled(at.usd_per_million_tokens, r.calls * (mix.input + mix.output) / 1e6);
    }
    results.push_back(r);
  }
  return results;
}

}  // namespace tollgate
