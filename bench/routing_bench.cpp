// Tokens per second of the routing backends: a token is one token at one layer.

#include <benchmark/benchmark.h>

#include <string>

#include "kernels/core/popularity.h"
#include "kernels/registry.h"
#include "kernels/tbb/selector.h"

namespace tollgate::kernels {
namespace {

struct Shape {
  const char* name;
  int experts;
  int top_k;
  int groups;
  int groups_kept;
  ScoreFunction score;
  int zero_experts = 0;
  bool biased = false;  ///< on the score; with softmax, every logit is evaluated
};

constexpr Shape kShapes[] = {
    {"softmax_64_6", 64, 6, 1, 1, ScoreFunction::softmax},
    {"softmax_128_8", 128, 8, 1, 1, ScoreFunction::softmax},
    {"sigmoid_256_8", 256, 8, 1, 1, ScoreFunction::sigmoid},
    {"grouped_256_8", 256, 8, 8, 4, ScoreFunction::sigmoid},
    {"sqrt_softplus_384_6", 384, 6, 1, 1, ScoreFunction::sqrt_softplus},
    {"softmax_512_10", 512, 10, 1, 1, ScoreFunction::softmax},
    {"sigmoid_896_16", 896, 16, 1, 1, ScoreFunction::sigmoid},
    {"longcat_512_256_12", 512, 12, 1, 1, ScoreFunction::softmax, 256},
    {"longcat_biased", 512, 12, 1, 1, ScoreFunction::softmax, 256, true},
};

RoutingProblem make_problem(const Shape& shape, int layers, int tokens) {
  RoutingProblem problem;
  problem.gate.score = shape.score;
  problem.gate.top_k = shape.top_k;
  problem.gate.groups = shape.groups;
  problem.gate.groups_kept = shape.groups_kept;
  problem.gate.group_reduce = GroupReduce::top2_sum;
  problem.experts = shape.experts;
  problem.gate.zero_experts = shape.zero_experts;
  if (shape.biased) {
    problem.gate.bias = BiasMode::on_score;
    problem.bias.assign(problem.choices(), 0);
  }
  problem.popularity = {0.3, 0.6, 0.2, 4, 8, 1};
  problem.seed = 1;
  problem.layers = layers;
  problem.tokens = tokens;
  return problem;
}

void count_tokens(benchmark::State& state, const RoutingProblem& problem) {
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(problem.layers) * problem.tokens,
                         benchmark::Counter::kIsIterationInvariantRate);
}

/// Gates alone.
void select_tokens(benchmark::State& state, const Shape& shape, const RoutingBackend& backend) {
  const RoutingProblem problem =
      make_problem(shape, 8, backend.name() == "reference" ? 512 : 16384);
  for (auto _ : state) benchmark::DoNotOptimize(backend.select(problem));
  count_tokens(state, problem);
}

/// The call a simulation run makes: 8 layers x 16384 tokens, nine batch sizes, five rank counts.
void route_tokens(benchmark::State& state, const Shape& shape, const RoutingBackend& backend) {
  RoutingProblem problem = make_problem(shape, 8, 16384);
  problem.batch_sizes = {1, 4, 16, 64, 128, 256, 1024, 4096, 16384};
  problem.rank_counts = {1, 4, 8, 16, 32};
  for (auto _ : state) benchmark::DoNotOptimize(backend.route(problem));
  count_tokens(state, problem);
}

/// One thread of the CPU backend's selection with one variant of its inner loop.
void select_variant(benchmark::State& state, const Shape& shape, const ScreenVariant& variant) {
  const RoutingProblem problem = make_problem(shape, 1, 16384);
  const Popularity popularity(problem);
  Selector selector(problem, popularity);
  for (int context = 0; context < popularity.contexts(); ++context) selector.prepare(0, context);
  selector.use(variant);
  std::uint16_t chosen[kMaxTopK];
  for (auto _ : state) {
    for (int token = 0; token < problem.tokens; ++token) {
      selector.select(0, token, chosen);
      benchmark::DoNotOptimize(chosen);
    }
  }
  count_tokens(state, problem);
}

/// The random numbers alone: the limit of a selection that draws one word per expert.
void draw_noise(benchmark::State& state, const Shape& shape, const ScreenVariant& variant) {
  const ScreenOrder order(shape.experts + shape.zero_experts);
  alignas(64) std::uint32_t limits[kMaxExperts] = {}, words[kMaxExperts];
  std::uint16_t candidates[kMaxExperts + 16];
  std::uint32_t token = 0;
  for (auto _ : state) {
    variant.screen({1, 0, 0, token++}, order.blocks, limits, words, candidates);
    benchmark::DoNotOptimize(words);
  }
  state.counters["tokens/s"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
}

int register_all() {
  for (const Shape& shape : kShapes) {
    const std::string name = shape.name;
    for (const ScreenVariant& variant : screen_variants()) {
      const std::string tail = "/" + name + "/" + std::string(variant.name);
      benchmark::RegisterBenchmark(("noise" + tail).c_str(), draw_noise, shape, variant);
      benchmark::RegisterBenchmark(("one_thread" + tail).c_str(), select_variant, shape, variant)
          ->Unit(benchmark::kMillisecond);
    }
    for (const RoutingBackend* backend : backends()) {
      if (!backend->available()) continue;
      const std::string tail = "/" + name + "/" + std::string(backend->name());
      const auto select_it = [&shape, backend](benchmark::State& state) {
        select_tokens(state, shape, *backend);
      };
      const auto route_it = [&shape, backend](benchmark::State& state) {
        route_tokens(state, shape, *backend);
      };
      benchmark::RegisterBenchmark(("select" + tail).c_str(), select_it)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
      if (backend->name() == "reference") continue;
      benchmark::RegisterBenchmark(("route" + tail).c_str(), route_it)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  }
  return 0;
}

const int kRegistered = register_all();

}  // namespace
}  // namespace tollgate::kernels
