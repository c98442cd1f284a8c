// Whole questions, from the problem to the answer, tables and all:
//   prefill  the loads of a DeepSeek-V3 prefill step: EP32, 16,384 tokens, 58 layers
//   decode   4,096 Monte-Carlo trials of EP64 decode at 128 tokens per rank, 8,192 tokens each: the
//            load of the busiest rank in every trial
// Held against a single-threaded replica of another simulator's generator, about 7 s for `decode`.

#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include <string>

#include "kernels/registry.h"

namespace tollgate::kernels {
namespace {

constexpr int kTrials = 4096;
constexpr int kTrialTokens = 64 * 128;

/// Popularity of the DeepSeek-V3 family: docs/method.md, "Popularity".
GeneratorProblem deepseek_v3() {
  GeneratorProblem problem;
  problem.spec.sigma_global = 0.25;
  problem.spec.sigma_domain = 0.5;
  problem.spec.sigma_topic = 0.2;
  problem.spec.domains = 4;
  problem.spec.topics = 8;
  problem.experts = 256;
  problem.top_k = 8;
  problem.seed = 1;
  return problem;
}

void count(benchmark::State& state, double tokens) {
  state.counters["tokens/s"] =
      benchmark::Counter(tokens, benchmark::Counter::kIsIterationInvariantRate);
}

void prefill_alias(benchmark::State& state, const RoutingBackend& backend, int threads) {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
  GeneratorProblem problem = deepseek_v3();
  problem.spec.stickiness = 0.2;
  problem.spec.tokens_per_sequence = 512;
  problem.layers = 58;
  problem.tokens = 16384;
  for (auto _ : state) benchmark::DoNotOptimize(backend.busiest_loads(problem, 16384, 32));
  count(state, 58.0 * 16384);
}

void prefill_gate(benchmark::State& state, const RoutingBackend& backend, int threads) {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
  RoutingProblem problem;
  problem.gate.score = ScoreFunction::sigmoid;
  problem.gate.groups = 8;
  problem.gate.groups_kept = 4;
  problem.gate.group_reduce = GroupReduce::top2_sum;
  problem.gate.top_k = 8;
  problem.experts = 256;
  problem.popularity = {0.25, 0.5, 0.2, 4, 8, 512};
  problem.seed = 1;
  problem.layers = 58;
  problem.tokens = 16384;
  problem.batch_sizes = {16384};
  problem.rank_counts = {32};
  for (auto _ : state) benchmark::DoNotOptimize(backend.route(problem));
  count(state, 58.0 * 16384);
}

/// The trials are disjoint windows of two streams of 2^24 tokens.
void decode_trials(benchmark::State& state, const RoutingBackend& backend, int threads) {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
  GeneratorProblem problem = deepseek_v3();
  problem.tokens = kTrials / 2 * kTrialTokens;
  for (auto _ : state) {
    for (const std::uint32_t stream : {0u, 1u}) {
      problem.stream = stream;
      benchmark::DoNotOptimize(backend.busiest_loads(problem, kTrialTokens, 64));
    }
  }
  count(state, static_cast<double>(kTrials) * kTrialTokens);
}

int register_all() {
  for (const RoutingBackend* backend : backends()) {
    if (!backend->available() || backend->name() == "reference") continue;
    for (const int threads : {1, 2}) {
      const std::string tail =
          "/" + std::string(backend->name()) + "/threads:" + std::to_string(threads);
      const auto add = [&](const std::string& kind, auto body) {
        auto* row = benchmark::RegisterBenchmark(
            (kind + tail).c_str(),
            [=](benchmark::State& state) { body(state, *backend, threads); });
        row->Unit(benchmark::kMillisecond);
        if (threads > 1 || backend->name() == "cuda") row->UseRealTime();
      };
      add("prefill_alias", prefill_alias);
      add("prefill_grouped_gate", prefill_gate);
      add("decode_4096_trials", decode_trials);
    }
  }
  return 0;
}

const int kRegistered = register_all();

}  // namespace
}  // namespace tollgate::kernels
