// (token, choice) pairs per second of the dispatch permutation on the host: our counting sort on
// one thread, and Thrust's stable sort and scan on its TBB device system, on all threads.

#include <benchmark/benchmark.h>

#include "kernels/dispatch/dispatch.h"
#include "kernels/registry.h"
#if defined(TOLLGATE_HAVE_THRUST)
#include <thrust/system/tbb/execution_policy.h>

#include "kernels/dispatch/sort_permutation.h"
#endif

namespace tollgate::kernels {
namespace {

constexpr int kExperts = 256;
constexpr int kTopK = 8;

std::vector<std::uint16_t> slots_of(std::int64_t tokens) {
  GeneratorProblem problem;
  problem.spec.sigma_global = 0.6;
  problem.experts = kExperts;
  problem.top_k = kTopK;
  problem.tokens = static_cast<int>(tokens);
  return find_backend("tbb").draw(problem);
}

void count(benchmark::State& state, std::size_t pairs) {
  state.counters["pairs/s"] =
      benchmark::Counter(static_cast<double>(pairs), benchmark::Counter::kIsIterationInvariantRate);
}

void counting_sort(benchmark::State& state) {
  const auto slots = slots_of(state.range(0));
  const Placement placement = contiguous_placement(kExperts, kExperts, {32, 8});
  Dispatch out;
  for (auto _ : state) {
    dispatch(slots, kTopK, placement, 128, out);
    benchmark::DoNotOptimize(out.choice_of_row.data());
  }
  count(state, slots.size());
}
BENCHMARK(counting_sort)->Arg(128)->Arg(8192)->Arg(1 << 20)->UseRealTime();

#if defined(TOLLGATE_HAVE_THRUST)
void thrust_on_tbb(benchmark::State& state) {
  const auto slots = slots_of(state.range(0));
  std::vector<std::uint16_t> keys(slots.size());
  std::vector<std::int32_t> order(slots.size()), rows(kExperts), begin(kExperts + 1),
      padded(kExperts + 1);
  for (auto _ : state) {
    keys = slots;
    sort_permutation(thrust::tbb::par, keys.data(), static_cast<std::int32_t>(keys.size()),
                     kExperts, 128, order.data(), rows.data(), begin.data(), padded.data());
    benchmark::DoNotOptimize(order.data());
  }
  count(state, slots.size());
}
BENCHMARK(thrust_on_tbb)->Arg(128)->Arg(8192)->Arg(1 << 20)->UseRealTime();
#endif

}  // namespace
}  // namespace tollgate::kernels
