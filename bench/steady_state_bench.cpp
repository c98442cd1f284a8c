#include <benchmark/benchmark.h>

#include "kernels/registry.h"
#include "sim/placement/memory_plan.h"
#include "sim/serving/steady_state.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/run.h"

namespace {

using namespace tollgate;

Library& shelf() {
  static Library library(TOLLGATE_REPOSITORY "/models");
  return library;
}

const std::string main_scenario = TOLLGATE_REPOSITORY "/scenarios/moe-vs-dense.yaml";

Scenario scenario() {
  Library library(TOLLGATE_REPOSITORY "/models");
  return load_scenario(main_scenario, {}, library);
}

/// One candidate with its routing statistics made beforehand.
struct Prepared {
  Scenario question = scenario();
  const CandidateSpec& candidate;
  EngineCurves curves;
  Deployment deployment;
  PrecisionMap precision;
  RoutingTables routing;
  WorkloadMix mix;
  SchedulerLimits limits;

  Prepared(const std::string& name, Deployment d)
      : candidate(find(name)),
        curves(std::make_shared<CurveFiles>(shelf()), candidate.hardware, candidate.engine),
        deployment(d) {
    precision = deployed_precision(candidate.model, candidate.deployment);
    routing.resize(candidate.model.ffns.size());
    for (std::size_t i = 0; i < routing.size(); ++i) {
      if (candidate.model.ffns[i].kind != FfnKind::moe) continue;
      const auto tables = [&](int run) {
        return make_routing_tables(candidate.model.ffns[i], candidate.popularity, question.routing,
                                   question.seed, {d.expert}, kernels::find_backend("tbb"), run);
      };
      routing[i] = {tables(1), tables(1024)};
    }
    mix = summarise(question.workload);
    limits.host_per_request = candidate.engine.host_per_request;
  }
  const CandidateSpec& find(const std::string& name) const {
    for (const CandidateSpec& c : question.candidates) {
      if (c.name == name) return c;
    }
    throw std::runtime_error("no candidate " + name);
  }
  StepModel model() const {
    return StepModel(candidate.model, curves, deployment, precision, candidate.deployment,
                     candidate.engine, routing, mix.contexts);
  }
};

/// One steady-state estimate of one candidate with cached routing statistics: target below 50 us.
void steady_state(benchmark::State& state, const char* name, Deployment deployment) {
  const Prepared prepared(name, deployment);
  const StepModel model = prepared.model();
  double in_flight = 100;
  for (auto _ : state) {
    in_flight = in_flight < 200 ? in_flight + 1 : 100;
    benchmark::DoNotOptimize(solve_steady_state(model, prepared.mix, prepared.limits, in_flight));
  }
}

/// The same with placement and the step model built anew, as in a sweep over deployments.
void placement_and_steady_state(benchmark::State& state, const char* name, Deployment deployment) {
  const Prepared prepared(name, deployment);
  for (auto _ : state) {
    const MemoryPlan memory = plan_memory(
        prepared.candidate.model, prepared.candidate.hardware, deployment, prepared.precision,
        prepared.candidate.deployment, prepared.question.method, prepared.mix.decode_context,
        step_tokens(prepared.candidate.engine, prepared.candidate.deployment, deployment,
                    prepared.candidate.hardware));
    const StepModel model = prepared.model();
    benchmark::DoNotOptimize(
        solve_steady_state(model, prepared.mix, prepared.limits, memory.largest_batch));
  }
}

/// One step of 61 layers at a batch composition: target below 1 us.
void step_time(benchmark::State& state, Deployment deployment, double prompt_tokens) {
  const Prepared prepared("DeepSeek-V3.2 on H200-SXM", deployment);
  const StepModel model = prepared.model();
  StepLoad load;
  load.prefill_tokens = prompt_tokens;
  load.prefill_context = 1500;
  load.decode_sequences = 100;
  load.decode_context = 3000;
  for (auto _ : state) {
    load.decode_context += 1;
    benchmark::DoNotOptimize(model.seconds(load));
  }
}

/// The step model of one deployment anew, curves and routing statistics cached: target below 1 ms.
void step_setup(benchmark::State& state) {
  const Prepared prepared("DeepSeek-V3.2 on H200-SXM", {8, 1, 8, 1});
  for (auto _ : state) benchmark::DoNotOptimize(prepared.model());
}

/// The main scenario with Monte Carlo routing, without reading its files: target below 1 s.
void main_run(benchmark::State& state) {
  const Scenario question = scenario();
  for (auto _ : state)
    benchmark::DoNotOptimize(run_scenario(question, shelf(), kernels::find_backend("tbb")));
}

void read_scenario(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(scenario());
}

BENCHMARK_CAPTURE(step_time, decode_tp8_ep8, Deployment{8, 1, 8, 1}, 0);
BENCHMARK_CAPTURE(step_time, decode_dp8_ep8, Deployment{1, 1, 8, 8}, 0);
BENCHMARK_CAPTURE(step_time, mixed_dp8_ep8, Deployment{1, 1, 8, 8}, 2000);
BENCHMARK(step_setup);
BENCHMARK_CAPTURE(steady_state, moe_tp8_ep8, "DeepSeek-V3.2 on H200-SXM", Deployment{8, 1, 8, 1});
BENCHMARK_CAPTURE(steady_state, moe_dp8_ep8, "Qwen3.5-397B-A17B on H200-SXM",
                  Deployment{1, 1, 8, 8});
BENCHMARK_CAPTURE(steady_state, dense_tp8, "Llama-3.1-405B on H200-SXM", Deployment{8, 1, 1, 1});
BENCHMARK_CAPTURE(placement_and_steady_state, moe_tp8_ep8, "DeepSeek-V3.2 on H200-SXM",
                  Deployment{8, 1, 8, 1});
BENCHMARK(read_scenario)->Unit(benchmark::kMillisecond);
BENCHMARK(main_run)->Unit(benchmark::kMillisecond);

}  // namespace
