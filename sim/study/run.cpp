#include "sim/study/run.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <list>
#include <memory>

#include "sim/serving/workload/average_traffic.h"
#include "sim/study/candidate_study.h"
#include "sim/study/chosen_deployment.h"
#include "sim/study/inflation_study.h"
#include "sim/study/routing_shelf.h"

namespace tollgate {
namespace {

/// All candidates serve the same tokens, so the shortest context among them bounds the workload.
std::int64_t shortest_context(const Scenario& scenario) {
  std::int64_t shortest = std::int64_t{1} << 40;
  for (const CandidateSpec& c : scenario.candidates) {
    shortest = std::min<std::int64_t>(shortest, c.model.context);
  }
  return shortest;
}

}  // namespace

RunResult run_scenario(const Scenario& asked, Library& library,
                       const kernels::RoutingBackend& backend, bool strict,
                       std::shared_ptr<CurveFiles> files) {
  const std::int64_t context = shortest_context(asked);
  const Scenario scenario = on_average(asked, context);
  RunResult result;
  result.scenario = scenario.name;
  result.question = scenario.question;
  result.inputs_digest = scenario.inputs_digest;
  result.workload = scenario.workload;
  result.load = scenario.load;
  result.load.kind = asked.load.kind;
  result.slo = scenario.slo;
  const auto longest = static_cast<double>(context);
  const WorkloadMix mix = summarise(scenario.workload, longest);
  result.mean_input = mix.input;
  result.mean_cached = mix.cached;
  result.mean_output = mix.output;

  const std::size_t count = scenario.candidates.size();
  std::vector<CandidateStudy> studies;
  RoutingShelf shelf;
  if (!files) files = std::make_shared<CurveFiles>(library);
  std::list<EngineCurves> curves;
  std::vector<const EngineCurves*> curves_of;
  for (const CandidateSpec& candidate : scenario.candidates) {
    curves.emplace_back(files, candidate.hardware, candidate.engine, strict);
    curves_of.push_back(&curves.back());
    studies.emplace_back(scenario, asked, candidate, mix, context, curves.back());
    shelf.want(candidate, studies.back().deployments());
  }
  shelf.fill(scenario.seed, mix.uncached, backend);

  result.candidates.resize(count);
  tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) {
    const CandidateSpec& candidate = scenario.candidates[i];
    CandidateResult& r = result.candidates[i];
    const auto tables = shelf.tables_of(candidate);
    r = studies[i].report(tables);
    if (r.fits && scenario.answers.inflation) {
      r.cost.inflation =
          inflate_tasks(scenario, as_chosen(candidate, r), *curves_of[i], tables, longest);
    }
  });
  for (std::size_t i = 0; i < count; ++i) {
    const CandidateResult& c = result.candidates[i];
    if (!c.fits || !c.meets_slo) continue;
    const auto cost = [&](std::size_t j) {
      return result.candidates[j].usd_per_million_output_tokens.value;
    };
    if (result.cheapest < 0 || cost(i) < cost(static_cast<std::size_t>(result.cheapest))) {
      result.cheapest = static_cast<int>(i);
    }
  }
  return result;
}

}  // namespace tollgate
