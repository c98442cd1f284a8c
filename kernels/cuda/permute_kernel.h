#pragma once
/// The dispatch permutation on the device: a stable counting sort of choices by physical slot.

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/stream.h"

namespace tollgate::kernels {

/// What is sorted and where the results go, as in Dispatch (dispatch/dispatch.h). All pointers are
/// to device memory.
struct PermuteProblem {
  const std::uint16_t* slots;   ///< [choices], kNoSlot is left out
  std::int32_t choices;         ///< at most 2^30
  int slot_count;               ///< 1 .. kMaxCountedSlots; every other slot is below it
  int tile;                     ///< rows of a GEMM tile
  std::int32_t* slot_rows;      ///< [slot_count]
  std::int32_t* slot_begin;     ///< [slot_count + 1]
  std::int32_t* padded_begin;   ///< [slot_count + 1]
  std::int32_t* choice_of_row;  ///< [choices]; the rows at its beginning are written
};

/// Slots that the counting kernels can hold in shared memory; beyond them `sort_permutation` is
/// taken.
inline constexpr int kMaxCountedSlots = 1024;

/// Bytes of device memory that `launch_permutation` works in.
std::size_t permutation_bytes(const PermuteProblem& problem);

/// Histogram per block of choices, exclusive scan, stable rank by warp votes. Deterministic without
/// a sort: a choice's place is its slot's begin, plus the choices of that slot in earlier blocks,
/// warps and lanes.
void launch_permutation(const PermuteProblem& problem, void* memory, CudaStream stream = nullptr);

/// The same with Thrust: stable radix sort, binary search for the begins, scan. Any number of
/// slots.
void sort_permutation(const PermuteProblem& problem, CudaStream stream = nullptr);

/// From and to host memory, by whichever of the two fits. `choice_of_row` has room for `choices`.
void cuda_permute(const PermuteProblem& problem);

}  // namespace tollgate::kernels
