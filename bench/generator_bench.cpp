// Tokens per second of the alias generator: a token is one token at one layer.

#include <benchmark/benchmark.h>
#include <tbb/global_control.h>

#include <string>

#include "kernels/generator/alias_generator.h"
#include "kernels/generator/alias_lanes.h"

namespace tollgate::kernels {
namespace {

struct Shape {
  const char* name;
  int experts;
  int top_k;
};

constexpr Shape kShapes[] = {
    {"64_6", 64, 6},   {"128_8", 128, 8},   {"256_8", 256, 8},
    {"384_6", 384, 6}, {"512_10", 512, 10}, {"896_16", 896, 16},
};

GeneratorProblem make_problem(const Shape& shape, double stickiness, int tokens_per_sequence) {
  GeneratorProblem problem;
  problem.spec.sigma_global = 0.3;
  problem.spec.sigma_domain = 0.6;
  problem.spec.sigma_topic = 0.2;
  problem.spec.stickiness = stickiness;
  problem.spec.domains = 4;
  problem.spec.topics = 8;
  problem.spec.tokens_per_sequence = tokens_per_sequence;
  problem.experts = shape.experts;
  problem.top_k = shape.top_k;
  problem.layers = 8;
  problem.tokens = 1 << 16;
  problem.seed = 1;
  return problem;
}

void draw(benchmark::State& state, const GeneratorProblem& problem, std::string variant,
          bool one_thread, bool histogram) {
  const tbb::global_control threads(tbb::global_control::max_allowed_parallelism,
                                    one_thread ? 1 : 1024);
  AliasGenerator generator(problem);
  generator.use(variant);
  for (auto _ : state) {
    if (histogram) {
      benchmark::DoNotOptimize(generator.histogram());
    } else {
      benchmark::DoNotOptimize(generator.select());
    }
  }
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(problem.layers) * problem.tokens,
                         benchmark::Counter::kIsIterationInvariantRate);
}

void build(benchmark::State& state, const GeneratorProblem& problem) {
  for (auto _ : state) benchmark::DoNotOptimize(AliasGenerator(problem));
}

int register_all() {
  for (const Shape& shape : kShapes) {
    const std::string name = shape.name;
    for (const AliasVariant& variant : alias_variants()) {
      const std::string tail = "/" + name + "/" + std::string(variant.name);
      const auto add = [&](const std::string& kind, double stickiness, int run, bool one_thread,
                           bool histogram) {
        benchmark::RegisterBenchmark((kind + tail).c_str(), draw,
                                     make_problem(shape, stickiness, run),
                                     std::string(variant.name), one_thread, histogram)
            ->Unit(benchmark::kMillisecond)
            ->UseRealTime();
      };
      add("one_thread/decode", 0.0, 1, true, true);
      add("one_thread/decode_ids", 0.0, 1, true, false);
      add("one_thread/prefill_sticky", 0.2, 512, true, true);
      add("all_threads/prefill_sticky", 0.2, 512, false, true);
    }
    benchmark::RegisterBenchmark(("build/" + name).c_str(), build, make_problem(shape, 0.2, 512))
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
  return 0;
}

const int kRegistered = register_all();

}  // namespace
}  // namespace tollgate::kernels
