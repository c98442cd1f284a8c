// Tokens per second over the shapes of well-known models and three batch sizes, each with its share
// of a limit that is measured in the same run, per thread:
//   alias   top_k words a token and no rejection, at the rate of bench/philox_words.h
//   gate    one word per expert, at that rate
//   logits  the bytes of a token's logits and ids, at the rate of a plain sum over memory
// Held against, at (256, 8) on one thread: alias 15 M tokens/s with AVX-512 and 7 M plain; two
// threads at least 1.8 times one.

#include <benchmark/benchmark.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <string>

#include "bench/limits.h"
#include "bench/shapes.h"
#include "kernels/core/popularity.h"
#include "kernels/generator/alias_generator.h"
#include "kernels/generator/alias_lanes.h"
#include "kernels/registry.h"
#include "kernels/tbb/selector.h"

namespace tollgate::kernels {
namespace {

constexpr std::size_t kMostLogits = std::size_t{1} << 28;  // 1 GiB

void report(benchmark::State& state, int tokens, int threads, double limit_per_thread) {
  using benchmark::Counter;
  state.counters["tokens/s"] = Counter(tokens, Counter::kIsIterationInvariantRate);
  state.counters["share of limit"] =
      Counter(tokens / (limit_per_thread * threads), Counter::kIsIterationInvariantRate);
}

void alias(benchmark::State& state, const Shape& shape, int tokens, int threads,
           const std::string& variant) {
  const double limit = philox_limit() / shape.top_k;
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
  GeneratorProblem problem;
  problem.spec.sigma_global = 0.25;
  problem.spec.sigma_domain = 0.5;
  problem.spec.sigma_topic = 0.2;
  problem.spec.domains = 4;
  problem.spec.topics = 8;
  problem.experts = shape.experts;
  problem.top_k = shape.top_k;
  problem.tokens = tokens;
  problem.seed = 1;
  AliasGenerator generator(problem);
  generator.use(variant);
  for (auto _ : state) benchmark::DoNotOptimize(generator.histogram());
  report(state, tokens, threads, limit);
}

void gate(benchmark::State& state, const Shape& shape, int tokens, int threads) {
  const double limit = philox_limit() / shape.experts;
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
  const RoutingProblem problem = routing_problem(shape, tokens);
  const Popularity popularity(problem);
  Selector selector(problem, popularity);
  for (int context = 0; context < popularity.contexts(); ++context) selector.prepare(0, context);
  std::vector<std::uint16_t> ids(static_cast<std::size_t>(tokens) * shape.top_k);
  constexpr int kPiece = 512;
  for (auto _ : state) {
    tbb::parallel_for(0, (tokens + kPiece - 1) / kPiece, [&](int piece) {
      for (int t = piece * kPiece; t < std::min(tokens, (piece + 1) * kPiece); ++t) {
        selector.select(0, t, ids.data() + static_cast<std::size_t>(t) * shape.top_k);
      }
    });
    benchmark::DoNotOptimize(ids.data());
    benchmark::ClobberMemory();
  }
  report(state, tokens, threads, limit);
}

void logits(benchmark::State& state, const Shape& shape, int tokens, int threads) {
  const double limit = read_limit() / (4.0 * shape.experts + 2.0 * shape.top_k);
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
  const RoutingProblem problem = routing_problem(shape, tokens);
  std::vector<float> given(static_cast<std::size_t>(tokens) * shape.experts);
  std::uint32_t word = 1;
  for (float& logit : given) {
    word = word * 1664525u + 1013904223u;
    logit = static_cast<float>(static_cast<std::int32_t>(word)) * 2e-9f;
  }
  const RoutingBackend& backend = find_backend("tbb");
  for (auto _ : state) benchmark::DoNotOptimize(backend.select_logits(problem, given));
  report(state, tokens, threads, limit);
}

int register_all() {
  for (const Shape& shape : kShapes) {
    for (const int tokens : kTokens) {
      for (const int threads : {1, 2}) {
        const std::string tail = "/" + std::string(shape.name) + "/T:" + std::to_string(tokens) +
                                 "/threads:" + std::to_string(threads);
        const auto add = [&](const std::string& kind, auto body) {
          auto* row = benchmark::RegisterBenchmark((kind + tail).c_str(), body);
          row->Unit(benchmark::kMillisecond);
          if (threads > 1) row->UseRealTime();  // one thread: its processor time, on a busy machine
        };
        for (const AliasVariant& variant : alias_variants()) {
          if (shape.groups > 1) continue;  // the alias form knows no groups
          const std::string name(variant.name);
          add("alias_" + name,
              [=](benchmark::State& state) { alias(state, shape, tokens, threads, name); });
        }
        add("gate", [=](benchmark::State& state) { gate(state, shape, tokens, threads); });
        if (static_cast<std::size_t>(tokens) * shape.experts > kMostLogits) continue;
        add("logits", [=](benchmark::State& state) { logits(state, shape, tokens, threads); });
      }
    }
  }
  return 0;
}

const int kRegistered = register_all();

}  // namespace
}  // namespace tollgate::kernels
