// Kernels on the current device, each against what the device can do at most, measured in the same
// run: a device-to-device copy for what reads logits, bare Philox for what draws. Medians over CUDA
// graphs of many launches where a launch can be captured. Prints Markdown tables.

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cub/device/device_histogram.cuh>
#include <cub/device/device_radix_sort.cuh>
#include <string>
#include <thread>
#include <vector>

#include "bench/shapes.h"
#include "kernels/core/popularity.h"
#include "kernels/core/shape.h"
#include "kernels/cuda/alias_kernel.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/logit_kernel.h"
#include "kernels/cuda/permute_kernel.h"
#include "kernels/generator/alias_generator.h"
#include "kernels/placement/eplb.h"
#include "kernels/registry.h"

namespace tollgate::kernels {
namespace {

constexpr int kSamples = 11;

class Timer {
 public:
  Timer() {
    TOLLGATE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    TOLLGATE_CUDA_CHECK(cudaEventCreate(&start_));
    TOLLGATE_CUDA_CHECK(cudaEventCreate(&stop_));
  }
  ~Timer() {
    cudaEventDestroy(start_);
    cudaEventDestroy(stop_);
    cudaStreamDestroy(stream_);
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Median seconds of one launch(stream), many of them captured into one graph.
  template <typename Launch>
  double graph(const Launch& launch) {
    TOLLGATE_CUDA_CHECK(cudaDeviceSynchronize());  // what was prepared on the default stream
    const int count = repetitions(launch, stream_);
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    TOLLGATE_CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < count; ++i) launch(stream_);
    TOLLGATE_CUDA_CHECK(cudaStreamEndCapture(stream_, &graph));
    TOLLGATE_CUDA_CHECK(cudaGraphInstantiate(&exec, graph, 0));
    const double seconds =
        median([&] { TOLLGATE_CUDA_CHECK(cudaGraphLaunch(exec, stream_)); }, stream_) / count;
    cudaGraphExecDestroy(exec);
    cudaGraphDestroy(graph);
    return seconds;
  }

  /// The same launched one by one on the default stream, for what cannot be captured.
  template <typename Launch>
  double plain(const Launch& launch) {
    TOLLGATE_CUDA_CHECK(cudaDeviceSynchronize());
    const int count = repetitions(launch, nullptr);
    const auto many = [&] {
      for (int i = 0; i < count; ++i) launch(nullptr);
    };
    return median(many, nullptr) / count;
  }

 private:
  template <typename Work>
  double elapsed(const Work& work, cudaStream_t stream) {
    TOLLGATE_CUDA_CHECK(cudaEventRecord(start_, stream));
    work();
    TOLLGATE_CUDA_CHECK(cudaEventRecord(stop_, stream));
    TOLLGATE_CUDA_CHECK(cudaEventSynchronize(stop_));
    float milliseconds = 0;
    TOLLGATE_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start_, stop_));
    return milliseconds * 1e-3;
  }

  template <typename Work>
  double median(const Work& work, cudaStream_t stream) {
    std::vector<double> seconds;
    for (int i = 0; i <= kSamples; ++i) {
      const double took = elapsed(work, stream);
      if (i > 0) seconds.push_back(took);
    }
    std::nth_element(seconds.begin(), seconds.begin() + kSamples / 2, seconds.end());
    return seconds[kSamples / 2];
  }

  /// So many that they take about 4 ms, after three to warm up.
  template <typename Launch>
  int repetitions(const Launch& launch, cudaStream_t stream) {
    double once = 0;
    for (int i = 0; i < 4; ++i) once = elapsed([&] { launch(stream); }, stream);
    return std::clamp(static_cast<int>(4e-3 / std::max(once, 1e-7)), 1, 200);
  }

  cudaStream_t stream_;
  cudaEvent_t start_, stop_;
};

__global__ void __launch_bounds__(256) philox_kernel(int calls, std::uint32_t* out) {
  const std::uint32_t thread = blockIdx.x * blockDim.x + threadIdx.x;
  std::uint32_t sum = 0;
  for (int i = 0; i < calls; ++i) {
    const Words4 words = philox4x32(thread, static_cast<std::uint32_t>(i), 0, 0, 42);
    sum += words.w[0] ^ words.w[1] ^ words.w[2] ^ words.w[3];
  }
  out[thread] = sum;
}

__global__ void logit_fill_kernel(float* logits, long long count) {
  const long long stride = static_cast<long long>(gridDim.x) * blockDim.x;
  for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += stride) {
    const Words4 words =
        philox4x32(static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32), 1, 0, 42);
    logits[i] = static_cast<float>(static_cast<std::int32_t>(words.w[0])) * 2e-9f;
  }
}

struct Limits {
  double copy_bytes;  ///< per second, read and written
  double words;       ///< Philox, per second
};

Limits measure_limits(Timer& timer) {
  constexpr std::size_t kBytes = std::size_t{1} << 30;
  const DeviceArray<char> from(kBytes), to(kBytes);
  const double copy = timer.plain([&](cudaStream_t stream) {
    TOLLGATE_CUDA_CHECK(
        cudaMemcpyAsync(to.data(), from.data(), kBytes, cudaMemcpyDeviceToDevice, stream));
  });
  constexpr int kBlocks = 132 * 64;
  constexpr int kCalls = 256;
  const DeviceArray<std::uint32_t> out(kBlocks * 256);
  const double philox = timer.graph(
      [&](cudaStream_t stream) { philox_kernel<<<kBlocks, 256, 0, stream>>>(kCalls, out.data()); });
  const Limits limits = {2.0 * kBytes / copy, 4.0 * kBlocks * 256 * kCalls / philox};
  std::printf(
      "Limits of this run: device copy %.2f TB/s (read and written), Philox4x32-10 %.2f T "
      "words/s.\n\n",
      limits.copy_bytes * 1e-12, limits.words * 1e-12);
  return limits;
}

CudaProblem device_problem(const RoutingProblem& problem, const ScoreTables* scores) {
  CudaProblem device = {};
  device.gate = problem.gate;
  device.experts = problem.experts;
  device.layers = 1;
  device.tokens = problem.tokens;
  device.seed = problem.seed;
  device.scores = scores;
  return device;
}

void gates(Timer& timer, const Limits& limits) {
  std::printf(
      "### Gates\n\n"
      "Logits: fp32 read from memory, share of the copy's bandwidth. On the fly: logits "
      "drawn, share of bare Philox with one word per expert.\n\n"
      "| experts, top-k | tokens | logits, G tokens/s | share | on the fly, G tokens/s | "
      "share |\n|---|---|---|---|---|---|\n");
  const DeviceArray<ScoreTables> scores(&score_tables(), 1);
  const DeviceArray<GumbelTables> gumbel(&gumbel_tables(), 1);
  for (const Shape& shape : kShapes) {
    for (const int tokens : kTokens) {
      const RoutingProblem problem = routing_problem(shape, tokens);
      CudaProblem device = device_problem(problem, scores.data());
      const std::size_t count = static_cast<std::size_t>(tokens) * shape.experts;
      const DeviceArray<std::uint16_t> ids(static_cast<std::size_t>(tokens) * shape.top_k);
      const DeviceArray<float> logits(count);
      logit_fill_kernel<<<4096, 256>>>(logits.data(), static_cast<long long>(count));
      const unsigned long long none = ~0ull;
      const DeviceArray<unsigned long long> nan(&none, 1);
      const double given = timer.graph([&](cudaStream_t stream) {
        launch_logit_gate(device, logits.data(), ids.data(), nan.data(), stream);
      });
      const Popularity popularity(problem);
      const DeviceArray<std::int32_t> offsets(popularity.all_logits().data(),
                                              popularity.all_logits().size());
      const DeviceArray<std::uint16_t> contexts(popularity.token_contexts().data(),
                                                popularity.token_contexts().size());
      device.contexts = popularity.contexts();
      device.popularity = offsets.data();
      device.token_contexts = contexts.data();
      device.gumbel = gumbel.data();
      const double drawn = timer.plain([&](cudaStream_t) { launch_gate(device, ids.data()); });
      const double bytes = 4.0 * shape.experts + 2.0 * shape.top_k;
      std::printf("| %s | %d | %.3f | %.0f %% | %.3f | %.0f %% |\n", shape.text, tokens,
                  tokens / given * 1e-9, 100 * tokens / given * bytes / limits.copy_bytes,
                  tokens / drawn * 1e-9, 100 * tokens / drawn * shape.experts / limits.words);
    }
  }
  std::printf("\n");
}

struct DeviceTables {
  AliasGenerator generator;
  DeviceArray<AliasEntry> tables;
  DeviceArray<std::uint32_t> units;
  DeviceArray<std::uint16_t> contexts;
  DeviceArray<std::int32_t> starts;
  AliasShape shape;

  explicit DeviceTables(const GeneratorProblem& problem)
      : generator(problem),
        tables(generator.shape().tables, table_cells()),
        units(generator.shape().units, table_cells()),
        contexts(generator.shape().token_contexts, static_cast<std::size_t>(generator.tokens())),
        starts(generator.shape().sequence_starts,
               static_cast<std::size_t>(generator.sequences()) + 1),
        shape(generator.shape()) {
    shape.tables = tables.data();
    shape.units = units.data();
    shape.token_contexts = contexts.data();
    shape.sequence_starts = starts.data();
  }

  std::size_t table_cells() const {
    return static_cast<std::size_t>(generator.problem().layers) * generator.contexts() *
           generator.problem().experts;
  }
};

GeneratorProblem generator_problem(const Shape& shape, int tokens, double stickiness, int run) {
  GeneratorProblem problem;
  problem.spec.sigma_global = 0.25;
  problem.spec.sigma_domain = 0.5;
  problem.spec.sigma_topic = 0.2;
  problem.spec.stickiness = stickiness;
  problem.spec.domains = 4;
  problem.spec.topics = 8;
  problem.spec.tokens_per_sequence = run;
  problem.experts = shape.experts;
  problem.top_k = shape.top_k;
  problem.tokens = tokens;
  problem.seed = 1;
  return problem;
}

void aliases(Timer& timer, const Limits& limits) {
  std::printf(
      "### Alias form\n\n"
      "G tokens/s; decode draws every token afresh, prefill has stickiness 0.2 in sequences "
      "of 512 tokens, one thread per sequence. Share: of bare Philox with top-k words a "
      "token. One context: one table a layer, in shared memory.\n\n"
      "| experts, top-k | tokens | ids | share | histogram | histogram, one context | the "
      "same, tables through the caches | prefill histogram |\n|---|---|---|---|---|---|---|---|\n");
  for (const Shape& shape : kShapes) {
    if (shape.groups > 1) continue;
    for (const int tokens : kTokens) {
      const DeviceTables decode(generator_problem(shape, tokens, 0, 1));
      GeneratorProblem single = generator_problem(shape, tokens, 0, 1);
      single.spec.domains = single.spec.topics = 1;
      const DeviceTables one(single);
      const DeviceTables prefill(generator_problem(shape, tokens, 0.2, 512));
      const DeviceArray<std::uint16_t> ids(static_cast<std::size_t>(tokens) * shape.top_k);
      DeviceArray<unsigned long long> counts(static_cast<std::size_t>(shape.experts));
      counts.clear();
      const auto rate = [&](const DeviceTables& tables, bool keep, bool shared) {
        const double seconds = timer.graph([&](cudaStream_t stream) {
          launch_alias(tables.shape, 1, keep ? ids.data() : nullptr, keep ? nullptr : counts.data(),
                       stream, shared);
        });
        return tokens / seconds * 1e-9;
      };
      const double kept = rate(decode, true, true);
      std::printf("| %s | %d | %.3f | %.0f %% | %.3f | %.3f | %.3f | %.3f |\n", shape.text, tokens,
                  kept, 100 * kept * 1e9 * shape.top_k / limits.words, rate(decode, false, true),
                  rate(one, false, true), rate(one, false, false), rate(prefill, false, true));
    }
  }
  std::printf("\n");
}

void permutations(Timer& timer) {
  std::printf(
      "### Permutation\n\n"
      "G (token, choice) pairs/s of one step. Ours: histogram, scan, stable rank. Radix "
      "sort: cub::DeviceRadixSort::SortPairs of 16-bit slots alone; Thrust: the whole "
      "permutation by stable sort; histogram: cub::DeviceHistogram alone.\n\n"
      "| experts, top-k | tokens | ours | CUB radix sort | Thrust | CUB histogram |\n"
      "|---|---|---|---|---|---|\n");
  for (const Shape& shape : kShapes) {
    if (shape.groups > 1) continue;
    for (const int tokens : kTokens) {
      const DeviceTables tables(generator_problem(shape, tokens, 0, 1));
      const std::int32_t pairs = tokens * shape.top_k;
      const auto count = static_cast<std::size_t>(pairs);
      const DeviceArray<std::uint16_t> slots(count), sorted(count);
      launch_alias(tables.shape, 1, slots.data(), nullptr);
      const auto experts = static_cast<std::size_t>(shape.experts);
      const DeviceArray<std::int32_t> rows(experts), begin(experts + 1), padded(experts + 1),
          order(count), values(count);
      const PermuteProblem problem = {slots.data(), pairs,        shape.experts, 128,
                                      rows.data(),  begin.data(), padded.data(), order.data()};
      const DeviceArray<char> memory(permutation_bytes(problem));
      const double ours = timer.graph(
          [&](cudaStream_t stream) { launch_permutation(problem, memory.data(), stream); });

      std::size_t sort_bytes = 0;
      std::size_t histogram_bytes = 0;
      const auto sort = [&](void* space, cudaStream_t stream) {
        TOLLGATE_CUDA_CHECK(cub::DeviceRadixSort::SortPairs(space, sort_bytes, slots.data(),
                                                            sorted.data(), values.data(),
                                                            order.data(), pairs, 0, 10, stream));
      };
      const auto histogram = [&](void* space, cudaStream_t stream) {
        TOLLGATE_CUDA_CHECK(cub::DeviceHistogram::HistogramEven(
            space, histogram_bytes, slots.data(), rows.data(), shape.experts + 1, 0, shape.experts,
            pairs, stream));
      };
      sort(nullptr, nullptr);
      histogram(nullptr, nullptr);
      const DeviceArray<char> sort_memory(sort_bytes), histogram_memory(histogram_bytes);
      const double radix =
          timer.graph([&](cudaStream_t stream) { sort(sort_memory.data(), stream); });
      const double counted =
          timer.graph([&](cudaStream_t stream) { histogram(histogram_memory.data(), stream); });
      const double thrust =
          timer.plain([&](cudaStream_t stream) { sort_permutation(problem, stream); });
      std::printf("| %s | %d | %.3f | %.3f | %.3f | %.3f |\n", shape.text, tokens,
                  pairs / ours * 1e-9, pairs / radix * 1e-9, pairs / thrust * 1e-9,
                  pairs / counted * 1e-9);
    }
  }
  std::printf("\n");
}

/// Median wall-clock milliseconds of seven calls.
template <typename Work>
double milliseconds(const Work& work) {
  std::vector<double> all;
  for (int i = 0; i < 8; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (i > 0) all.push_back(took.count());
  }
  std::nth_element(all.begin(), all.begin() + 3, all.end());
  return all[3];
}

/// From the problem to the answer on the host, tables, copies and all.
void queries() {
  std::printf(
      "### Whole questions\n\nMilliseconds from the problem to the answer in host memory, "
      "tables and copies included; the CPU has %u threads.\n\n"
      "| question | CUDA | oneTBB |\n|---|---|---|\n",
      std::thread::hardware_concurrency());
  const Shape v3 = {"256_8", "256, 8", 256, 8, 1, 1};
  GeneratorProblem prefill = generator_problem(v3, 16384, 0.2, 512);
  prefill.layers = 58;
  GeneratorProblem decode = generator_problem(v3, 1 << 24, 0, 1);
  const auto row = [&](const char* name, const auto& question) {
    std::printf("| %s |", name);
    for (const char* backend : {"cuda", "tbb"}) {
      const RoutingBackend& routing = find_backend(backend);
      std::printf(" %.1f |", milliseconds([&] { question(routing); }));
    }
    std::printf("\n");
  };
  row("DeepSeek-V3 prefill step, EP32, 16,384 tokens, 58 layers",
      [&](const RoutingBackend& backend) { backend.busiest_loads(prefill, 16384, 32); });
  row("4,096 trials of EP64 decode, 128 tokens per rank", [&](const RoutingBackend& backend) {
    for (const std::uint32_t stream : {0u, 1u}) {
      decode.stream = stream;
      backend.busiest_loads(decode, 8192, 64);
    }
  });
  const auto counts = find_backend("tbb").histogram(prefill);
  const EplbOptions options = {288, 8, {32, 8}, EplbMode::hierarchical};
  std::printf(
      "\nEPLB of 58 layers x 256 experts with 32 redundant on 32 ranks, on the host: %.2f "
      "ms.\n\n",
      milliseconds([&] { eplb_placements(counts, 58, options); }));
}

int run(bool probe) {
  const std::string reason = cuda_unavailable_reason();
  if (!reason.empty()) {
    std::fprintf(stderr, "The device benchmarks cannot run: %s.\n", reason.c_str());
    return 4;
  }
  if (probe) return 0;
  cudaDeviceProp properties;
  TOLLGATE_CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
  std::printf("## Kernels of this program\n\nDevice: %s, %d multiprocessors, %.0f GiB.\n\n",
              properties.name, properties.multiProcessorCount,
              static_cast<double>(properties.totalGlobalMem) / (1 << 30));
  Timer timer;
  const Limits limits = measure_limits(timer);
  gates(timer, limits);
  aliases(timer, limits);
  permutations(timer);
  queries();
  return 0;
}

}  // namespace
}  // namespace tollgate::kernels

/// With --probe only says whether there is a device (0) or not (4 and a sentence).
int main(int argc, char** argv) {
  try {
    return tollgate::kernels::run(argc > 1 && std::string(argv[1]) == "--probe");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
