#include <algorithm>

#include "kernels/core/logit.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/lane_top.h"
#include "kernels/cuda/logit_kernel.h"

namespace tollgate::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocks = 8192;
constexpr unsigned kAll = 0xFFFFFFFFu;

struct DeviceWarp {
  __device__ std::int32_t max(std::int32_t value) const { return __reduce_max_sync(kAll, value); }
  __device__ std::uint32_t min(std::uint32_t value) const { return __reduce_min_sync(kAll, value); }
  __device__ bool any(bool holds) const { return __any_sync(kAll, holds) != 0; }

  /// The largest key of `lane_choose`.
  __device__ std::int64_t operator()(std::int64_t key) const {
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      const long long other = __shfl_xor_sync(kAll, static_cast<long long>(key), distance);
      if (other > key) key = other;
    }
    return key;
  }
};

struct DeviceWarpSum {
  __device__ std::uint64_t operator()(std::uint64_t value) const {
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      value += __shfl_xor_sync(kAll, static_cast<unsigned long long>(value), distance);
    }
    return value;
  }
};

/// A lane's logits, in blocks of four as `lane_expert` says; past the last expert zero.
template <int Slots>
__device__ void load_logits(const float* row, int experts, int lane, float (&logits)[Slots]) {
  const bool aligned = experts % 4 == 0;
  TOLLGATE_UNROLL
  for (int i = 0; i < Slots / 4; ++i) {
    const int first = 4 * (lane + kLanes * i);
    float4 four = make_float4(0, 0, 0, 0);
    if (aligned) {
      if (first < experts) four = __ldcs(reinterpret_cast<const float4*>(row + first));
    } else {
      if (first + 0 < experts) four.x = row[first + 0];
      if (first + 1 < experts) four.y = row[first + 1];
      if (first + 2 < experts) four.z = row[first + 2];
      if (first + 3 < experts) four.w = row[first + 3];
    }
    logits[4 * i + 0] = four.x;
    logits[4 * i + 1] = four.y;
    logits[4 * i + 2] = four.z;
    logits[4 * i + 3] = four.w;
  }
}

/// One warp per token, striding over all layers' tokens. `All`: the gate `evaluates_all`.
template <bool All, int Slots>
__global__ void __launch_bounds__(kThreads)
    logit_kernel(CudaProblem p, const float* logits, std::uint16_t* ids,
                 unsigned long long* first_nan) {
  const int lane = threadIdx.x % kLanes;
  const int k = p.gate.top_k;
  const long long warps = static_cast<long long>(gridDim.x) * (kThreads / kLanes);
  const long long rows = static_cast<long long>(p.layers) * p.tokens;
  for (long long row = (static_cast<long long>(blockIdx.x) * kThreads + threadIdx.x) / kLanes;
       row < rows; row += warps) {
    const std::int32_t* bias =
        p.bias == nullptr ? nullptr : p.bias + row / p.tokens * static_cast<long long>(p.choices);
    const Gate gate{p.gate, p.choices, bias, p.scores};
    float given[Slots];
    load_logits(logits + row * p.choices, p.choices, lane, given);
    std::int32_t values[Slots];
    bool nan = false;
    TOLLGATE_UNROLL
    for (int s = 0; s < Slots; ++s) {
      const int e = lane_expert(lane, s);
      nan = nan || given[s] != given[s];
      const std::int32_t logit = logit_to_fixed(given[s]);
      values[s] = e >= p.choices ? kAbsent : (All ? logit : ranked_value(gate, e, logit));
    }
    if (nan) {
      TOLLGATE_UNROLL
      for (int s = 0; s < Slots; ++s) {
        if (given[s] == given[s]) continue;
        atomicMin(first_nan,
                  static_cast<unsigned long long>(row * p.choices + lane_expert(lane, s)));
      }
    }
    int mine = 0;  // lane n keeps the n-th best: one store for the row
    const auto keep = [&](int n, int expert) { mine = n == lane ? expert : mine; };
    if (All || p.gate.groups_kept < p.gate.groups) {
      TokenScale scale;
      if constexpr (All) scale = lane_scale(gate, lane, values, DeviceWarp{}, DeviceWarpSum{});
      lane_choose<All>(gate, lane, values, scale, DeviceWarp{}, keep);
    } else {
      lane_top(k, lane, values, DeviceWarp{}, keep);
    }
    if (lane < k) ids[row * k + lane] = static_cast<std::uint16_t>(mine);
  }
}

using LogitKernel = void (*)(CudaProblem, const float*, std::uint16_t*, unsigned long long*);

template <bool All>
LogitKernel kernel_for(int choices) {
  return choices <= 128   ? logit_kernel<All, 4>
         : choices <= 256 ? logit_kernel<All, 8>
         : choices <= 512 ? logit_kernel<All, 16>
                          : logit_kernel<All, 32>;
}

}  // namespace

static_assert(kMaxTopK <= kLanes);

void launch_logit_gate(const CudaProblem& problem, const float* logits, std::uint16_t* ids,
                       unsigned long long* first_nan, CudaStream stream) {
  const long long rows = static_cast<long long>(problem.layers) * problem.tokens;
  const long long per_block = kThreads / kLanes;
  const int blocks =
      static_cast<int>(std::min<long long>((rows + per_block - 1) / per_block, kBlocks));
  const auto kernel = problem.evaluates_all ? kernel_for<true>(problem.choices)
                                            : kernel_for<false>(problem.choices);
  kernel<<<blocks, kThreads, 0, stream>>>(problem, logits, ids, first_nan);
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
}

std::int64_t cuda_select_logits(const CudaProblem& problem, const float* logits,
                                std::uint16_t* ids) {
  const std::size_t rows = static_cast<std::size_t>(problem.layers) * problem.tokens;
  const DeviceArray<float> given(logits, rows * problem.choices);
  const DeviceArray<std::int32_t> bias(
      problem.bias,
      problem.bias == nullptr ? 0 : static_cast<std::size_t>(problem.layers) * problem.choices);
  const DeviceArray<ScoreTables> scores(problem.scores, 1);
  const DeviceArray<std::uint16_t> chosen(rows * problem.gate.top_k);
  const unsigned long long none = ~0ull;
  const DeviceArray<unsigned long long> first_nan(&none, 1);
  CudaProblem device = problem;
  device.bias = bias.data();
  device.scores = scores.data();
  launch_logit_gate(device, given.data(), chosen.data(), first_nan.data());
  unsigned long long nan = none;
  first_nan.copy_to(&nan);
  chosen.copy_to(ids);
  return nan == none ? -1 : static_cast<std::int64_t>(nan);
}

}  // namespace tollgate::kernels
