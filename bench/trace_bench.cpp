// Reading and replaying recorded routing: 256 experts, top-8, 58 layers, as DeepSeek-V3.
#include <benchmark/benchmark.h>

#include <string>

#include "kernels/trace/record.h"
#include "kernels/trace/replay.h"

namespace {

using namespace tollgate::kernels;

constexpr int kTokens = 8192, kLayers = 58, kTopK = 8;

/// An .npy file of uint8 whose ids are distinct within a token.
std::string recorded() {
  std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (8192, 58, 8), }";
  header.resize(117, ' ');
  std::string file("\x93NUMPY\x01\x00\x76\x00", 10);
  file += header + '\n';
  for (unsigned i = 0; i < kTokens * kLayers; ++i) {
    for (unsigned slot = 0; slot < kTopK; ++slot) {
      file += static_cast<char>((i * 2654435761u >> 24) + 31 * slot);
    }
  }
  return file;
}

void read_npy(benchmark::State& state) {
  const std::string file = recorded();
  for (auto _ : state) benchmark::DoNotOptimize(parse_record(file, "bench", 256, kTopK).trace);
  state.SetItemsProcessed(state.iterations() * kTokens * kLayers);
}
BENCHMARK(read_npy)->Unit(benchmark::kMillisecond);

void replay(benchmark::State& state) {
  const RoutingTrace trace = *parse_record(recorded(), "bench", 256, kTopK).trace;
  const int run = static_cast<int>(state.range(0));
  std::uint32_t stream = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(replay_window(trace, kTokens, run, 1, stream++));
  }
  state.SetItemsProcessed(state.iterations() * kTokens * kLayers);
}
BENCHMARK(replay)->Arg(1)->Arg(512)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
