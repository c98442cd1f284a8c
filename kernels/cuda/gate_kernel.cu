#include <algorithm>

#include "kernels/core/hash_choice.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/lane_gate.h"
#include "kernels/cuda/launch.h"

namespace tollgate::kernels {
namespace {

constexpr int kThreads = 256;

struct WarpMax {
  __device__ std::int64_t operator()(std::int64_t key) const {
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      const long long other = __shfl_xor_sync(0xFFFFFFFFu, static_cast<long long>(key), distance);
      if (other > key) key = other;
    }
    return key;
  }
};

struct WarpSum {
  __device__ std::uint64_t operator()(std::uint64_t value) const {
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      value += __shfl_xor_sync(0xFFFFFFFFu, static_cast<unsigned long long>(value), distance);
    }
    return value;
  }
};

/// One warp per token, striding over all layers' tokens. `All`: the gate `evaluates_all`.
template <bool All, int Slots>
__global__ void __launch_bounds__(kThreads) gate_kernel(CudaProblem p, std::uint16_t* ids) {
  __shared__ GumbelTables tables;
  const auto* from = reinterpret_cast<const std::uint32_t*>(p.gumbel);
  auto* to = reinterpret_cast<std::uint32_t*>(&tables);
  for (int i = threadIdx.x; i < static_cast<int>(sizeof(GumbelTables) / 4); i += blockDim.x) {
    to[i] = from[i];
  }
  __syncthreads();

  const int lane = threadIdx.x % kLanes;
  const long long warps = static_cast<long long>(gridDim.x) * (kThreads / kLanes);
  const long long rows = static_cast<long long>(p.layers) * p.tokens;
  for (long long row = (static_cast<long long>(blockIdx.x) * kThreads + threadIdx.x) / kLanes;
       row < rows; row += warps) {
    const int layer = static_cast<int>(row / p.tokens);
    const int token = static_cast<int>(row % p.tokens);
    const long long table = static_cast<long long>(layer) * p.contexts + p.token_contexts[token];
    const std::int32_t* bias =
        p.bias == nullptr ? nullptr : p.bias + static_cast<long long>(layer) * p.choices;
    const Gate gate{p.gate, p.choices, bias, p.scores};
    std::int32_t values[Slots];
    lane_values<All>(gate, tables, p.popularity + table * p.choices, p.seed, p.stream, layer, token,
                     lane, values);
    std::uint16_t* chosen = ids + row * p.gate.top_k;
    TokenScale scale;
    if constexpr (All) scale = lane_scale(gate, lane, values, WarpMax{}, WarpSum{});
    lane_choose<All>(gate, lane, values, scale, WarpMax{}, [&](int n, int expert) {
      if (lane == 0) chosen[n] = static_cast<std::uint16_t>(expert);
    });
  }
}

/// One thread per token.
__global__ void __launch_bounds__(kThreads) hash_kernel(CudaProblem p, std::uint16_t* ids) {
  const long long rows = static_cast<long long>(p.layers) * p.tokens;
  for (long long row = static_cast<long long>(blockIdx.x) * kThreads + threadIdx.x; row < rows;
       row += static_cast<long long>(gridDim.x) * kThreads) {
    hash_entry(p.hash_table, p.hash_layer_stride, p.seed, static_cast<int>(row / p.tokens),
               p.token_ids[row % p.tokens], p.experts, p.gate.top_k, ids + row * p.gate.top_k);
  }
}

template <bool All>
void launch_gate_kernel(const CudaProblem& device, int blocks, std::uint16_t* ids) {
  if (device.choices <= 128) {
    gate_kernel<All, 4><<<blocks, kThreads>>>(device, ids);
  } else if (device.choices <= 256) {
    gate_kernel<All, 8><<<blocks, kThreads>>>(device, ids);
  } else if (device.choices <= 512) {
    gate_kernel<All, 16><<<blocks, kThreads>>>(device, ids);
  } else {
    gate_kernel<All, 32><<<blocks, kThreads>>>(device, ids);
  }
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
}

}  // namespace

std::string gate_kernel_error() {
  cudaFuncAttributes attributes;
  const cudaError_t error = cudaFuncGetAttributes(&attributes, gate_kernel<false, 4>);
  if (error == cudaSuccess) return "";
  cudaGetLastError();  // it is handled: do not let the next check see it
  return std::string(cudaGetErrorName(error)) + " (" + cudaGetErrorString(error) + ")";
}

void launch_gate(const CudaProblem& device, std::uint16_t* ids) {
  const long long rows = static_cast<long long>(device.layers) * device.tokens;
  const long long per_block = kThreads / kLanes;
  const int blocks =
      static_cast<int>(std::min<long long>((rows + per_block - 1) / per_block, 8192));
  if (device.evaluates_all) {
    launch_gate_kernel<true>(device, blocks, ids);
  } else {
    launch_gate_kernel<false>(device, blocks, ids);
  }
}

void launch_hash(const CudaProblem& device, std::uint16_t* ids) {
  const long long rows = static_cast<long long>(device.layers) * device.tokens;
  const int blocks = static_cast<int>(std::min<long long>((rows + kThreads - 1) / kThreads, 8192));
  hash_kernel<<<blocks, kThreads>>>(device, ids);
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
}

}  // namespace tollgate::kernels
