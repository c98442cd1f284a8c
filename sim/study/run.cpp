#include "sim/study/run.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <list>
#include <memory>

#include "sim/serving/workload/average_traffic.h"
#include "sim/study/candidate_study.h"
#include "sim/study/deployment_search.h"
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

/// What one candidate may use, found before routing so that only needed numbers of ranks are
/// routed.
struct Plan {
  std::vector<Deployment> fitting;
  std::vector<Deployment> tried;
  std::string note;
};

Plan plan_of(const CandidateStudy& study, const CandidateSpec& candidate) {
  Plan plan;
  plan.tried = deployments_to_try(candidate, false);
  plan.fitting = study.that_fit(plan.tried);
  if (!plan.fitting.empty()) return plan;
  const auto beyond = deployments_to_try(candidate, true);
  plan.fitting = study.that_fit(beyond);
  if (!plan.tried.empty() && !beyond.empty())
    plan.note =
        " One domain of " +
        std::to_string(std::max(candidate.hardware.per_node, candidate.hardware.per_domain)) +
        " does not hold the model.";
  plan.tried.insert(plan.tried.end(), beyond.begin(), beyond.end());
  return plan;
}

/// The deployment a report chose.
const Deployment& chosen(const Plan& plan, const CandidateResult& r) {
  return *std::find_if(plan.fitting.begin(), plan.fitting.end(), [&](const Deployment& d) {
    return d.tensor == r.tensor && d.pipeline == r.pipeline && d.expert == r.expert &&
           d.data_attention == r.data_attention;
  });
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
  std::vector<Plan> plans;
  RoutingShelf shelf;
  if (!files) files = std::make_shared<CurveFiles>(library);
  std::list<EngineCurves> curves;
  std::vector<const EngineCurves*> curves_of;
  for (const CandidateSpec& candidate : scenario.candidates) {
    curves.emplace_back(files, candidate.hardware, candidate.engine, strict);
    curves_of.push_back(&curves.back());
    studies.emplace_back(scenario, asked, candidate, mix, context, curves.back());
    plans.push_back(plan_of(studies.back(), candidate));
    shelf.want(candidate, plans.back().fitting);
  }
  shelf.fill(scenario.seed, mix.uncached, backend);

  result.candidates.resize(count);
  tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) {
    const Plan& plan = plans[i];
    CandidateResult& r = result.candidates[i];
    if (plan.fitting.empty()) {
      r = studies[i].explain_misfit(plan.tried);
      return;
    }
    const CandidateSpec& candidate = scenario.candidates[i];
    const auto tables = shelf.tables_of(candidate);
    r = studies[i].report(plan.fitting, tables, plan.note);
    if (scenario.answers.inflation) {
      r.cost.inflation =
          inflate_tasks(scenario, candidate, *curves_of[i], chosen(plan, r), tables, longest);
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
