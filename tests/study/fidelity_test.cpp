#include <gtest/gtest.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>

#include "kernels/registry.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/closed_form_limits.h"
#include "sim/study/routing_shelf.h"
#include "sim/study/simulated_point.h"

namespace tollgate {
namespace {

struct Grid {
  const char* engine;
  const char* candidate;
};

constexpr const char* dense_small =
    "{name: c, model: Llama-3.1-8B, hardware: H100-SXM, "
    "deployment: {tensor: 1, pipeline: 1, data_attention: 1}}";
constexpr const char* dense_large =
    "{name: c, model: Llama-3.1-70B, hardware: H200-SXM, "
    "deployment: {weights: fp8, tensor: 4, pipeline: 1, "
    "data_attention: 1}}";
constexpr const char* mixture =
    "{name: c, model: gpt-oss-120b, hardware: B200-SXM, deployment: "
    "{tensor: 2, pipeline: 1, data_attention: 1, expert: 1}}";
constexpr const char* groups =
    "{name: c, model: MiniMax-M2.5, hardware: H200-SXM, deployment: "
    "{tensor: 1, pipeline: 1, data_attention: 8, expert: 8}}";
constexpr const char* sparse =
    "{name: c, model: DeepSeek-V3.2, hardware: H200-SXM, deployment: "
    "{tensor: 1, pipeline: 1, data_attention: 8, expert: 8}}";

constexpr const char* workloads[] = {
    "{name: short, prefix_hit_rate: 0, input: {kind: lognormal, mean: 300, sigma: 0.8}, output: "
    "{kind: lognormal, mean: 300, sigma: 0.7}}",
    "{name: mid, prefix_hit_rate: 0, input: {kind: lognormal, mean: 2000, sigma: 0.8}, output: "
    "{kind: lognormal, mean: 300, sigma: 0.7}}",
    "{name: documents, prefix_hit_rate: 0, input: {kind: lognormal, mean: 8000, sigma: 0.5}, "
    "output: {kind: lognormal, mean: 200, sigma: 0.5}}",
    "{name: reasoning, prefix_hit_rate: 0, input: {kind: lognormal, mean: 500, sigma: 0.8}, "
    "output: {kind: lognormal, mean: 4000, sigma: 0.8}}",
    "{traffic: chat}"};

/// Both fidelities at one load: ratios closed form over simulation, and the half-width of the
/// simulation's 95 % interval.
struct Ratios {
  std::string where;
  double throughput = 1, tpot = 1, noise = 0;
  ClosedFormCaveat caveat;
};

std::vector<Ratios> compare(const Grid& grid, const char* workload,
                            const std::vector<double>& loads) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const std::string text =
      std::string("schema_version: 1\nname: grid\nfidelity: simulated\n") +
      "simulation: {timeline: 0}\nload: {kind: saturate}\nengine: " + grid.engine +
      "\nrouting: {layers: 2, tokens: 4096}\nworkload:\n  - " + workload + "\ncandidates:\n  - " +
      grid.candidate + "\n";
  Scenario s = parse_scenario(text, "grid.yaml", {}, library);
  const CandidateSpec& c = s.candidates[0];
  const Deployment d{c.deployment.tensor, c.deployment.pipeline, std::max(1, c.deployment.expert),
                     c.deployment.data_attention};
  const EngineCurves curves(std::make_shared<CurveFiles>(library), c.hardware, c.engine, false);
  RoutingShelf shelf;
  shelf.want(c, {d});
  const auto longest = static_cast<double>(c.model.context);
  const WorkloadMix mix = summarise(s.workload, longest);
  shelf.fill(1, mix.uncached, kernels::find_backend("tbb"));
  const RoutingTables routing = shelf.tables_of(c);
  const PrecisionMap precision = deployed_precision(c.model, c.deployment);
  const double resident =
      c.engine.policy == SchedulingPolicy::no_evict ? mix.reserved_context : mix.decode_context;
  const MemoryPlan plan = plan_memory(c.model, c.hardware, d, precision, c.deployment, s.method,
                                      resident, step_tokens(c.engine, c.deployment, d, c.hardware));
  const StepModel model(c.model, curves, d, precision, c.deployment, c.engine, routing,
                        mix.contexts);
  const SchedulerLimits limits = scheduler_limits(c.engine, c.deployment, mix);
  const SimulatedService service(c, d, precision, curves, routing, mix.contexts, plan, resident,
                                 c.model.context);
  std::vector<Ratios> out;
  for (const double users : loads) {
    if (users > 0.9 * plan.largest_batch) continue;
    s.load.kind = LoadKind::concurrency;
    s.load.concurrency = users;
    s.simulation.requests = std::max(12000LL, 40LL * static_cast<int>(users));
    const OperatingPoint point = find_operating_point(model, plan, mix, limits, s.load, s.slo);
    const SimulatedPoint simulated = find_simulated_point(
        {{&service, 1}, {}, {}}, {&s.workload, s.load, s.slo, s.simulation, s.seed, mix.output},
        point, plan.largest_batch);
    const SimulatedResult& r = simulated.result;
    const double noise =
        std::hypot(r.output_tokens_per_second.half_width / r.output_tokens_per_second.mean,
                   r.tpot.mean.half_width / r.tpot.mean.mean);
    SteadyState state = point.state;
    state.ttft = r.ttft.mean.mean;
    out.push_back({std::string(grid.engine) + " " + c.model.name + " " + s.workload[0].name + " " +
                       std::to_string(static_cast<int>(users)),
                   point.state.requests_per_second / simulated.point.state.requests_per_second,
                   point.state.tpot / r.tpot.mean.mean, noise,
                   closed_form_caveat(s, c, d, mix, state)});
  }
  return out;
}

void hold_to_caveats(const std::vector<Grid>& grids, const std::vector<double>& loads) {
  struct Cell {
    Grid grid;
    const char* workload;
  };
  std::vector<Cell> cells;
  for (const Grid& grid : grids) {
    for (const char* workload : workloads) cells.push_back({grid, workload});
  }
  std::vector<std::vector<Ratios>> results(cells.size());
  tbb::parallel_for(std::size_t{0}, cells.size(), [&](std::size_t i) {
    results[i] = compare(cells[i].grid, cells[i].workload, loads);
  });
  int held = 0;
  for (const auto& list : results) {
    for (const Ratios& r : list) {
      SCOPED_TRACE(r.where);
      EXPECT_LT(r.noise, 0.12);
      EXPECT_NEAR(r.throughput, 1, r.caveat.within + r.noise);
      EXPECT_NEAR(r.tpot, 1, r.caveat.within + r.noise);
      held += r.caveat.sentence.empty();
    }
  }
  EXPECT_GE(held, static_cast<int>(grids.size() * loads.size()));
}

std::vector<Grid> every(const std::vector<const char*>& candidates) {
  std::vector<Grid> grids;
  for (const char* engine : {"vllm", "sglang", "trtllm"}) {
    for (const char* candidate : candidates) grids.push_back({engine, candidate});
  }
  return grids;
}

TEST(fidelity, closed_loops_agree_within_five_percent_or_say_so) {
  hold_to_caveats(every({dense_small, dense_large, mixture, groups, sparse}), {1, 8, 64, 500});
}

}  // namespace
}  // namespace tollgate
