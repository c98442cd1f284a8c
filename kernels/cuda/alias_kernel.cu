#include <algorithm>

#include "kernels/cuda/alias_kernel.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/lane_alias.h"
#include "kernels/cuda/launch.h"

namespace tollgate::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocksWanted = 2048;               // about four waves of a 132-SM device
constexpr std::int64_t kSharedBytes = 48 * 1024;  // without asking for more, four blocks an SM

/// Writes a token's row in as few stores as its alignment allows.
template <int Most>
__device__ void write_row(std::uint16_t* row, int k, const int (&picks)[Most]) {
  const auto pair = [&](int i) {  // newest first: the later index is the earlier place
    return static_cast<std::uint32_t>(picks[i + 1]) | static_cast<std::uint32_t>(picks[i]) << 16;
  };
  if constexpr (Most % 8 == 0) {
    if (k == Most) {
      TOLLGATE_UNROLL
      for (int i = 0; i < Most; i += 8) {
        reinterpret_cast<uint4*>(row)[(Most - i) / 8 - 1] =
            make_uint4(pair(i + 6), pair(i + 4), pair(i + 2), pair(i));
      }
      return;
    }
  }
  if (k % 2 == 0) {
    TOLLGATE_UNROLL
    for (int i = 0; i + 1 < Most; i += 2) {
      if (i < k) reinterpret_cast<std::uint32_t*>(row)[(k - i) / 2 - 1] = pair(i);
    }
    return;
  }
  TOLLGATE_UNROLL
  for (int i = 0; i < Most; ++i) {
    if (i < k) row[k - 1 - i] = static_cast<std::uint16_t>(picks[i]);
  }
}

/// Block (x, y) takes its share of the chains of layers y, y + gridDim.y, ...
template <int Most, bool Sticky, bool Shared, bool Count>
__global__ void __launch_bounds__(kThreads, Most <= 16 ? 3 : 2)
    alias_kernel(AliasShape shape, int layers, std::uint16_t* ids, unsigned long long* counts) {
  extern __shared__ std::uint32_t memory[];
  int* counted = reinterpret_cast<int*>(memory);
  std::uint32_t* copied = memory + (Count ? shape.experts : 0);
  const int cells = shape.contexts * shape.experts;
  const int chains = Sticky ? shape.sequences : shape.tokens;

  for (int layer = blockIdx.y; layer < layers; layer += gridDim.y) {
    const AliasEntry* layer_tables = shape.tables + static_cast<long long>(layer) * cells;
    __syncthreads();
    if constexpr (Count) {
      for (int e = threadIdx.x; e < shape.experts; e += kThreads) counted[e] = 0;
    }
    if constexpr (Shared) {
      for (int i = threadIdx.x; i < cells; i += kThreads) copied[i] = layer_tables[i].packed;
      layer_tables = reinterpret_cast<const AliasEntry*>(copied);
    }
    __syncthreads();

    for (int chain = blockIdx.x * kThreads + threadIdx.x; chain < chains;
         chain += gridDim.x * kThreads) {
      const int begin = Sticky ? shape.sequence_starts[chain] : chain;
      const int end = Sticky ? shape.sequence_starts[chain + 1] : chain + 1;
      int picks[Most];
      TOLLGATE_UNROLL
      for (int i = 0; i < Most; ++i) picks[i] = 0;
      for (int token = begin; token < end; ++token) {
        const AliasEntry* table = layer_tables + alias_context(shape, layer, token) * shape.experts;
        draw_lane(shape, table, layer, token, Sticky && token > begin, picks);
        if constexpr (Count) {
          TOLLGATE_UNROLL
          for (int i = 0; i < Most; ++i) {
            if (i < shape.top_k) atomicAdd(&counted[picks[i]], 1);
          }
        } else {
          const long long row = static_cast<long long>(layer) * shape.tokens + token;
          write_row(ids + row * shape.top_k, shape.top_k, picks);
        }
      }
    }
    if constexpr (Count) {
      __syncthreads();
      unsigned long long* sums = counts + static_cast<long long>(layer) * shape.experts;
      for (int e = threadIdx.x; e < shape.experts; e += kThreads) {
        if (counted[e] != 0) atomicAdd(&sums[e], static_cast<unsigned long long>(counted[e]));
      }
    }
  }
}

template <int Most, bool Sticky>
void launch(const AliasShape& shape, int layers, std::uint16_t* ids, unsigned long long* counts,
            CudaStream stream, bool shared_tables) {
  const int chains = Sticky ? shape.sequences : shape.tokens;
  const int rows = std::min(layers, 65535);
  const int wanted = std::max(1, kBlocksWanted / rows);
  const dim3 grid(std::min((chains + kThreads - 1) / kThreads, wanted), rows);
  const std::int64_t count_bytes = counts != nullptr ? 4 * std::int64_t{shape.experts} : 0;
  const std::int64_t table_bytes = 4 * std::int64_t{shape.contexts} * shape.experts;
  const bool shared = shared_tables && count_bytes + table_bytes <= kSharedBytes;
  const auto bytes = static_cast<std::size_t>(count_bytes + (shared ? table_bytes : 0));
  const auto kernel = counts != nullptr ? (shared ? alias_kernel<Most, Sticky, true, true>
                                                  : alias_kernel<Most, Sticky, false, true>)
                                        : (shared ? alias_kernel<Most, Sticky, true, false>
                                                  : alias_kernel<Most, Sticky, false, false>);
  kernel<<<grid, kThreads, bytes, stream>>>(shape, layers, ids, counts);
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
}

template <bool Sticky>
void launch_smallest(const AliasShape& shape, int layers, std::uint16_t* ids,
                     unsigned long long* counts, CudaStream stream, bool shared_tables) {
  const auto smallest = shape.top_k <= 4    ? launch<4, Sticky>
                        : shape.top_k <= 6  ? launch<6, Sticky>
                        : shape.top_k <= 8  ? launch<8, Sticky>
                        : shape.top_k <= 10 ? launch<10, Sticky>
                        : shape.top_k <= 16 ? launch<16, Sticky>
                                            : launch<32, Sticky>;
  smallest(shape, layers, ids, counts, stream, shared_tables);
}

/// The tables of a problem on the device.
struct DeviceShape {
  DeviceArray<AliasEntry> tables;
  DeviceArray<std::uint32_t> units;
  DeviceArray<std::uint16_t> token_contexts;
  DeviceArray<std::int32_t> sequence_starts;
  AliasShape shape;

  DeviceShape(const AliasShape& host, int layers)
      : tables(host.tables, static_cast<std::size_t>(layers) * host.contexts * host.experts),
        units(host.units, static_cast<std::size_t>(layers) * host.contexts * host.experts),
        token_contexts(host.token_contexts, static_cast<std::size_t>(host.tokens) *
                                                (host.token_contexts_per_layer == 0 ? 1 : layers)),
        sequence_starts(host.sequence_starts, static_cast<std::size_t>(host.sequences) + 1),
        shape(host) {
    shape.tables = tables.data();
    shape.units = units.data();
    shape.token_contexts = token_contexts.data();
    shape.sequence_starts = sequence_starts.data();
  }
};

}  // namespace

void launch_alias(const AliasShape& shape, int layers, std::uint16_t* ids,
                  unsigned long long* counts, CudaStream stream, bool shared_tables) {
  const auto launch = shape.sticky == 0 ? launch_smallest<false> : launch_smallest<true>;
  launch(shape, layers, ids, counts, stream, shared_tables);
}

void cuda_draw(const AliasShape& shape, int layers, std::uint16_t* ids) {
  const DeviceShape device(shape, layers);
  const DeviceArray<std::uint16_t> drawn(static_cast<std::size_t>(layers) * shape.tokens *
                                         shape.top_k);
  launch_alias(device.shape, layers, drawn.data(), nullptr);
  drawn.copy_to(ids);
}

void cuda_histogram(const AliasShape& shape, int layers, std::int64_t* counts) {
  const DeviceShape device(shape, layers);
  DeviceArray<unsigned long long> sums(static_cast<std::size_t>(layers) * shape.experts);
  sums.clear();
  launch_alias(device.shape, layers, nullptr, sums.data());
  sums.copy_to(reinterpret_cast<unsigned long long*>(counts));
}

void cuda_windows(const AliasShape& shape, int layers, int window_tokens, int ranks,
                  RankRecord* records) {
  const DeviceShape device(shape, layers);
  const auto windows = static_cast<std::size_t>(layers) * (shape.tokens / window_tokens);
  const DeviceArray<std::uint16_t> drawn(static_cast<std::size_t>(layers) * shape.tokens *
                                         shape.top_k);
  const DeviceArray<int> rank_counts(&ranks, 1);
  const DeviceArray<WindowRecord> window_records(windows);
  const DeviceArray<RankRecord> rank_records(windows);
  launch_alias(device.shape, layers, drawn.data(), nullptr);
  CudaProblem problem = {};
  problem.gate.top_k = shape.top_k;
  problem.experts = shape.experts;
  problem.layers = layers;
  problem.tokens = shape.tokens;
  problem.rank_counts = rank_counts.data();
  problem.rank_count_number = 1;
  launch_window_counts(problem, drawn.data(), window_tokens, window_records.data(),
                       rank_records.data());
  rank_records.copy_to(records);
}

}  // namespace tollgate::kernels
