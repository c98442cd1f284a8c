// Milliseconds of an EPLB plan for a whole model, and (token, choice) pairs per second of replica
// choice, permutation and traffic counts.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "kernels/dispatch/dispatch.h"
#include "kernels/dispatch/study.h"
#include "kernels/dispatch/traffic.h"
#include "kernels/placement/eplb.h"
#include "kernels/registry.h"

namespace tollgate::kernels {
namespace {

constexpr int kLayers = 58;  // DeepSeek-V3: 61 layers, the first 3 dense
constexpr int kExperts = 256;
constexpr int kTopK = 8;
constexpr int kTokens = 4096;

const std::vector<std::uint16_t>& selections() {
  static const std::vector<std::uint16_t> ids = [] {
    RoutingProblem problem;
    problem.gate.score = ScoreFunction::softmax;
    problem.gate.top_k = kTopK;
    problem.experts = kExperts;
    problem.popularity.sigma_global = 0.6;
    problem.layers = kLayers;
    problem.tokens = kTokens;
    return find_backend("tbb").select(problem);
  }();
  return ids;
}

Selections all_layers() { return {selections(), kLayers, kTokens, kTopK}; }

EplbOptions options_of(EplbMode mode) {
  EplbOptions options;
  options.slots = kExperts + 32;
  options.groups = 8;
  options.grid = {32, 8};
  options.mode = mode;
  return options;
}

const std::vector<Placement>& plans() {
  static const std::vector<Placement> all =
      eplb_placements(count_experts(all_layers(), kExperts), kLayers, options_of(EplbMode::global));
  return all;
}

void plan(benchmark::State& state, EplbMode mode) {
  const auto counts = count_experts(all_layers(), kExperts);
  const EplbOptions options = options_of(mode);
  for (auto _ : state) benchmark::DoNotOptimize(eplb_placements(counts, kLayers, options));
}
BENCHMARK_CAPTURE(plan, global_58x256_32_on_32, EplbMode::global)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(plan, hierarchical_58x256_32_on_32, EplbMode::hierarchical)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// One thread, one layer after the other.
template <class Work>
void per_layer(benchmark::State& state, Work work) {
  constexpr std::size_t kPairs = static_cast<std::size_t>(kTokens) * kTopK;
  std::vector<std::vector<std::uint16_t>> slots;
  for (int layer = 0; layer < kLayers; ++layer) {
    slots.push_back(choose_slots(all_layers().ids.subspan(layer * kPairs, kPairs), kTopK,
                                 plans()[layer], ReplicaChoice::rank_and_token));
  }
  for (auto _ : state) {
    for (int layer = 0; layer < kLayers; ++layer) {
      work(all_layers().ids.subspan(layer * kPairs, kPairs), slots[layer], plans()[layer]);
    }
  }
  state.counters["pairs/s"] = benchmark::Counter(static_cast<double>(kPairs) * kLayers,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

using Ids = std::span<const std::uint16_t>;

void permute(benchmark::State& state) {
  Dispatch out;
  per_layer(state, [&](Ids, const std::vector<std::uint16_t>& slots, const Placement& placement) {
    dispatch(slots, kTopK, placement, 128, out);
    benchmark::DoNotOptimize(out.choice_of_row.data());
  });
}
BENCHMARK(permute)->Unit(benchmark::kMillisecond);

void choose(benchmark::State& state, ReplicaChoice choice) {
  per_layer(state, [&](Ids ids, const std::vector<std::uint16_t>&, const Placement& placement) {
    benchmark::DoNotOptimize(choose_slots(ids, kTopK, placement, choice));
  });
}
BENCHMARK_CAPTURE(choose, token_modulo, ReplicaChoice::token_modulo)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(choose, rank_and_token, ReplicaChoice::rank_and_token)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(choose, static_per_rank, ReplicaChoice::static_per_rank)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(choose, least_loaded, ReplicaChoice::least_loaded)->Unit(benchmark::kMillisecond);

void traffic(benchmark::State& state, TransferMode mode) {
  per_layer(state, [&](Ids, const std::vector<std::uint16_t>& slots, const Placement& placement) {
    benchmark::DoNotOptimize(count_ports(slots, kTopK, placement, mode));
  });
}
BENCHMARK_CAPTURE(traffic, normal, TransferMode::normal)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(traffic, low_latency, TransferMode::low_latency)->Unit(benchmark::kMillisecond);

/// Everything, on all cores: 58 layers x 32 steps of 128 tokens.
void study(benchmark::State& state) {
  StudyOptions options;
  options.batch_size = 128;
  for (auto _ : state) benchmark::DoNotOptimize(study_dispatch(all_layers(), plans(), options));
  state.counters["pairs/s"] = benchmark::Counter(static_cast<double>(all_layers().ids.size()),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(study)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace tollgate::kernels
