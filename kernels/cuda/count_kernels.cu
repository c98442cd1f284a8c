#include <algorithm>

#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/launch.h"

namespace tollgate::kernels {
namespace {

constexpr int kThreads = 128;
constexpr int kTokensPerBlock = 1024;

__device__ int rank_of(int expert, int experts, int ranks) {
  return expert / ((experts + ranks - 1) / ranks);
}

/// Block (x, y) counts one piece of layer y's tokens.
__global__ void __launch_bounds__(kThreads)
    token_kernel(CudaProblem p, const std::uint16_t* ids, unsigned long long* expert_tokens,
                 unsigned long long* destinations) {
  __shared__ int tokens_of[kMaxExperts];
  __shared__ int destination_sum;
  for (int e = threadIdx.x; e < p.experts; e += kThreads) tokens_of[e] = 0;
  __syncthreads();

  const int k = p.gate.top_k;
  const int first = blockIdx.x * kTokensPerBlock;
  const int last = min(p.tokens, first + kTokensPerBlock);
  const std::uint16_t* layer_ids = ids + static_cast<long long>(blockIdx.y) * p.tokens * k;
  for (long long i = static_cast<long long>(first) * k + threadIdx.x;
       i < static_cast<long long>(last) * k; i += kThreads) {
    if (layer_ids[i] < p.experts) atomicAdd(&tokens_of[layer_ids[i]], 1);  // else a zero expert
  }
  __syncthreads();
  for (int e = threadIdx.x; e < p.experts; e += kThreads) {
    if (tokens_of[e] != 0) {
      atomicAdd(&expert_tokens[static_cast<long long>(blockIdx.y) * p.experts + e],
                static_cast<unsigned long long>(tokens_of[e]));
    }
  }

  for (int r = 0; r < p.rank_count_number; ++r) {
    if (threadIdx.x == 0) destination_sum = 0;
    __syncthreads();
    int distinct = 0;
    for (int token = first + static_cast<int>(threadIdx.x); token < last; token += kThreads) {
      const std::uint16_t* chosen = layer_ids + static_cast<long long>(token) * k;
      for (int i = 0; i < k; ++i) {
        if (chosen[i] >= p.experts) continue;
        const int rank = rank_of(chosen[i], p.experts, p.rank_counts[r]);
        bool seen = false;
        for (int j = 0; j < i; ++j) {
          seen = seen ||
                 (chosen[j] < p.experts && rank_of(chosen[j], p.experts, p.rank_counts[r]) == rank);
        }
        distinct += seen ? 0 : 1;
      }
    }
    atomicAdd(&destination_sum, distinct);
    __syncthreads();
    if (threadIdx.x == 0) {
      atomicAdd(&destinations[r], static_cast<unsigned long long>(destination_sum));
    }
    __syncthreads();
  }
}

/// One block per window, striding.
__global__ void __launch_bounds__(kThreads)
    window_kernel(CudaProblem p, const std::uint16_t* ids, int batch_size, int windows_per_layer,
                  WindowRecord* windows, RankRecord* rank_records) {
  __shared__ int tokens_of[kMaxExperts];
  __shared__ int load[kMaxExperts], distinct[kMaxExperts], rows64[kMaxExperts],
      rows128[kMaxExperts];
  __shared__ int hottest, touched, assignments, max_distinct;
  __shared__ unsigned long long busiest;  // load above, lowest rank wins below

  const int k = p.gate.top_k;
  const long long all = static_cast<long long>(p.layers) * windows_per_layer;
  for (long long w = blockIdx.x; w < all; w += gridDim.x) {
    const long long layer = w / windows_per_layer;
    const long long first_token = layer * p.tokens + w % windows_per_layer * batch_size;
    const std::uint16_t* window_ids = ids + first_token * k;
    for (int e = threadIdx.x; e < p.experts; e += kThreads) tokens_of[e] = 0;
    if (threadIdx.x == 0) hottest = touched = assignments = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < batch_size * k; i += kThreads) {
      if (window_ids[i] < p.experts) atomicAdd(&tokens_of[window_ids[i]], 1);
    }
    __syncthreads();
    int own_hottest = 0;
    int own_touched = 0;
    int own_assignments = 0;
    for (int e = threadIdx.x; e < p.experts; e += kThreads) {
      own_hottest = max(own_hottest, tokens_of[e]);
      own_touched += tokens_of[e] > 0 ? 1 : 0;
      own_assignments += tokens_of[e];
    }
    atomicMax(&hottest, own_hottest);
    atomicAdd(&touched, own_touched);
    atomicAdd(&assignments, own_assignments);
    __syncthreads();
    if (threadIdx.x == 0) windows[w] = {hottest, touched, assignments};

    for (int r = 0; r < p.rank_count_number; ++r) {
      const int ranks = p.rank_counts[r];
      for (int rank = threadIdx.x; rank < ranks; rank += kThreads) {
        load[rank] = distinct[rank] = rows64[rank] = rows128[rank] = 0;
      }
      if (threadIdx.x == 0) {
        max_distinct = 0;
        busiest = 0;
      }
      __syncthreads();
      for (int e = threadIdx.x; e < p.experts; e += kThreads) {
        const int n = tokens_of[e];
        if (n == 0) continue;
        const int rank = rank_of(e, p.experts, ranks);
        atomicAdd(&load[rank], n);
        atomicAdd(&distinct[rank], 1);
        atomicAdd(&rows64[rank], (n + 63) & ~63);
        atomicAdd(&rows128[rank], (n + 127) & ~127);
      }
      __syncthreads();
      for (int rank = threadIdx.x; rank < ranks; rank += kThreads) {
        atomicMax(&max_distinct, distinct[rank]);
        atomicMax(&busiest, (static_cast<unsigned long long>(load[rank]) << 16) |
                                static_cast<unsigned long long>(0xFFFF - rank));
      }
      __syncthreads();
      if (threadIdx.x == 0) {
        const int rank = 0xFFFF - static_cast<int>(busiest & 0xFFFF);
        rank_records[w * p.rank_count_number + r] = {load[rank], distinct[rank], max_distinct,
                                                     rows64[rank], rows128[rank]};
      }
      __syncthreads();
    }
    __syncthreads();
  }
}

}  // namespace

void launch_token_counts(const CudaProblem& device, const std::uint16_t* ids,
                         unsigned long long* expert_tokens, unsigned long long* destinations) {
  const dim3 grid((device.tokens + kTokensPerBlock - 1) / kTokensPerBlock, device.layers);
  token_kernel<<<grid, kThreads>>>(device, ids, expert_tokens, destinations);
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
}

void launch_window_counts(const CudaProblem& device, const std::uint16_t* ids, int batch_size,
                          WindowRecord* windows, RankRecord* ranks) {
  const int windows_per_layer = device.tokens / batch_size;
  const long long all = static_cast<long long>(device.layers) * windows_per_layer;
  const int blocks = static_cast<int>(std::min<long long>(all, 1 << 16));
  window_kernel<<<blocks, kThreads>>>(device, ids, batch_size, windows_per_layer, windows, ranks);
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
}

}  // namespace tollgate::kernels
