// Words per second of Philox4x32-10 on one thread, into a buffer that stays in the first-level
// cache. Held against 1.5 G words/s with AVX-512.

#include <benchmark/benchmark.h>

#include <string>

#include "bench/philox_words.h"

namespace tollgate::kernels {
namespace {

constexpr std::size_t kWords = 4096;

void draw_words(benchmark::State& state, PhiloxFunction fill) {
  alignas(64) static std::uint32_t words[kWords];
  std::uint32_t first = 0;
  for (auto _ : state) {
    fill(first, 42, words, kWords);
    first += kWords / 4;
    benchmark::DoNotOptimize(words);
    benchmark::ClobberMemory();
  }
  state.counters["words/s"] =
      benchmark::Counter(kWords, benchmark::Counter::kIsIterationInvariantRate);
}

int register_all() {
  for (const PhiloxVariant& variant : philox_variants()) {
    benchmark::RegisterBenchmark(("philox/" + std::string(variant.name)).c_str(), draw_words,
                                 variant.fill);
  }
  return 0;
}

const int kRegistered = register_all();

}  // namespace
}  // namespace tollgate::kernels
