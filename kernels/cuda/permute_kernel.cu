#include <algorithm>
#include <cub/device/device_scan.cuh>

#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/permute_kernel.h"

namespace tollgate::kernels {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = 32 * kWarps;
constexpr unsigned kAll = 0xFFFFFFFFu;
constexpr std::uint16_t kLeftOut = 0xFFFF;

/// Choices per warp: enough that the block's counters are worth clearing, few enough that a small
/// step still spreads over the device.
int steps_per_warp(std::int32_t choices) { return choices >= 1 << 20 ? 16 : 4; }

int block_count(std::int32_t choices) {
  const int per_block = kThreads * steps_per_warp(choices);
  return std::max(1, (choices + per_block - 1) / per_block);
}

__device__ int slot_at(const PermuteProblem& p, std::int32_t choice) {
  if (choice >= p.choices) return -1;
  const int slot = p.slots[choice];
  return slot == kLeftOut ? -1 : slot;
}

/// counts[slot * blocks + block]: in this order one scan over all of it gives every block's begin
/// in every slot.
__global__ void __launch_bounds__(kThreads)
    count_kernel(PermuteProblem p, int steps, std::int32_t* counts) {
  __shared__ std::int32_t rows[kMaxCountedSlots];
  for (int i = threadIdx.x; i < p.slot_count; i += kThreads) rows[i] = 0;
  __syncthreads();
  const std::int32_t first = static_cast<std::int32_t>(blockIdx.x) * steps * kThreads;
  for (int step = 0; step < steps; ++step) {
    const int slot = slot_at(p, first + step * kThreads + static_cast<int>(threadIdx.x));
    if (slot >= 0) atomicAdd(&rows[slot], 1);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < p.slot_count; i += kThreads) {
    counts[static_cast<long long>(i) * gridDim.x + blockIdx.x] = rows[i];
  }
}

/// Begins of the slots, exact and padded, from the scanned counts; one block.
__global__ void __launch_bounds__(kMaxCountedSlots)
    begin_kernel(PermuteProblem p, int blocks, const std::int32_t* begins) {
  __shared__ std::int32_t padded[kMaxCountedSlots];
  const int slot = threadIdx.x;
  const auto begin_of = [&](int i) { return begins[static_cast<long long>(i) * blocks]; };
  std::int32_t rounded = 0;
  if (slot < p.slot_count) {
    const std::int32_t begin = begin_of(slot);
    const std::int32_t rows = begin_of(slot + 1) - begin;
    rounded = (rows + p.tile - 1) / p.tile * p.tile;
    p.slot_rows[slot] = rows;
    p.slot_begin[slot] = begin;
    if (slot == p.slot_count - 1) p.slot_begin[slot + 1] = begin + rows;
  }
  padded[slot] = rounded;
  __syncthreads();
  for (int distance = 1; distance < kMaxCountedSlots; distance *= 2) {
    const std::int32_t before = slot >= distance ? padded[slot - distance] : 0;
    __syncthreads();
    padded[slot] += before;
    __syncthreads();
  }
  if (slot < p.slot_count) p.padded_begin[slot + 1] = padded[slot];
  if (slot == 0) p.padded_begin[0] = 0;
}

/// The block's choices again, each warp a consecutive run of them: first how many each warp has in
/// every slot, then from these the warps' begins, then every choice to its place.
__global__ void __launch_bounds__(kThreads)
    place_kernel(PermuteProblem p, int steps, const std::int32_t* begins) {
  extern __shared__ std::int32_t next[];  // [warp][slot]
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  std::int32_t* mine = next + warp * p.slot_count;
  for (int i = threadIdx.x; i < kWarps * p.slot_count; i += kThreads) next[i] = 0;
  __syncthreads();
  const std::int32_t first =
      (static_cast<std::int32_t>(blockIdx.x) * kWarps + warp) * steps * 32 + lane;
  for (int step = 0; step < steps; ++step) {
    const int slot = slot_at(p, first + step * 32);
    if (slot >= 0) atomicAdd(&mine[slot], 1);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < p.slot_count; i += kThreads) {
    std::int32_t begin = begins[static_cast<long long>(i) * gridDim.x + blockIdx.x];
    for (int w = 0; w < kWarps; ++w) {
      const std::int32_t rows = next[w * p.slot_count + i];
      next[w * p.slot_count + i] = begin;
      begin += rows;
    }
  }
  __syncthreads();
  for (int step = 0; step < steps; ++step) {
    const std::int32_t choice = first + step * 32;
    const int slot = slot_at(p, choice);
    const unsigned same = __match_any_sync(kAll, slot);
    const int before = __popc(same & ((1u << lane) - 1));
    const std::int32_t begin = slot >= 0 ? mine[slot] : 0;
    __syncwarp();
    if (slot >= 0) {
      p.choice_of_row[begin + before] = choice;
      if (before == 0) mine[slot] = begin + __popc(same);
    }
    __syncwarp();
  }
}

struct Sizes {
  int blocks;
  std::int64_t counts;  ///< one more than the counts, so that the scan ends with the sum
  std::size_t scan_bytes;
};

Sizes sizes_of(const PermuteProblem& problem) {
  Sizes sizes;
  sizes.blocks = block_count(problem.choices);
  sizes.counts = static_cast<std::int64_t>(problem.slot_count) * sizes.blocks + 1;
  sizes.scan_bytes = 0;
  std::int32_t* none = nullptr;
  TOLLGATE_CUDA_CHECK(
      cub::DeviceScan::ExclusiveSum(nullptr, sizes.scan_bytes, none, none, sizes.counts));
  return sizes;
}

std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

}  // namespace

std::size_t permutation_bytes(const PermuteProblem& problem) {
  const Sizes sizes = sizes_of(problem);
  return aligned(4 * static_cast<std::size_t>(sizes.counts)) + sizes.scan_bytes;
}

void launch_permutation(const PermuteProblem& problem, void* memory, CudaStream stream) {
  Sizes sizes = sizes_of(problem);
  auto* counts = static_cast<std::int32_t*>(memory);
  void* scan_memory =
      static_cast<char*>(memory) + aligned(4 * static_cast<std::size_t>(sizes.counts));
  const int steps = steps_per_warp(problem.choices);
  TOLLGATE_CUDA_CHECK(cudaMemsetAsync(counts + sizes.counts - 1, 0, sizeof(std::int32_t), stream));
  count_kernel<<<sizes.blocks, kThreads, 0, stream>>>(problem, steps, counts);
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
  TOLLGATE_CUDA_CHECK(cub::DeviceScan::ExclusiveSum(scan_memory, sizes.scan_bytes, counts, counts,
                                                    sizes.counts, stream));
  begin_kernel<<<1, kMaxCountedSlots, 0, stream>>>(problem, sizes.blocks, counts);
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
  const std::size_t shared = sizeof(std::int32_t) * kWarps * problem.slot_count;
  place_kernel<<<sizes.blocks, kThreads, shared, stream>>>(problem, steps, counts);
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
}

void cuda_permute(const PermuteProblem& problem) {
  const auto choices = static_cast<std::size_t>(problem.choices);
  const auto slots = static_cast<std::size_t>(problem.slot_count);
  const DeviceArray<std::uint16_t> chosen(problem.slots, choices);
  const DeviceArray<std::int32_t> rows(slots), begin(slots + 1), padded(slots + 1), order(choices);
  PermuteProblem device = problem;
  device.slots = chosen.data();
  device.slot_rows = rows.data();
  device.slot_begin = begin.data();
  device.padded_begin = padded.data();
  device.choice_of_row = order.data();
  if (problem.slot_count <= kMaxCountedSlots) {
    const DeviceArray<char> memory(permutation_bytes(device));
    launch_permutation(device, memory.data());
    TOLLGATE_CUDA_CHECK(cudaDeviceSynchronize());
  } else {
    sort_permutation(device);
  }
  rows.copy_to(problem.slot_rows);
  begin.copy_to(problem.slot_begin);
  padded.copy_to(problem.padded_begin);
  order.copy_to(problem.choice_of_row, static_cast<std::size_t>(problem.slot_begin[slots]));
}

}  // namespace tollgate::kernels
