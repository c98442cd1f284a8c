#pragma once
/// The dispatch permutation written with Thrust, for whichever device system the policy names: CUDA
/// on the device, TBB on the host. Needs CCCL's headers; no other header includes this one.

#include <thrust/binary_search.h>
#include <thrust/execution_policy.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/scan.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>
#include <thrust/transform.h>

#include <cstdint>

#include "kernels/core/host_device.h"

namespace tollgate::kernels {

struct RowsBetween {
  TOLLGATE_HD std::int32_t operator()(std::int32_t begin, std::int32_t end) const {
    return end - begin;
  }
};

struct RoundUp {
  std::int32_t tile;
  TOLLGATE_HD std::int32_t operator()(std::int32_t rows) const {
    return (rows + tile - 1) / tile * tile;
  }
};

/// Sorts `keys` [choices], a copy of the slots, and fills the vectors of a Dispatch: `order`
/// [choices], `slot_rows` [slots], `slot_begin` and `padded_begin` [slots + 1]. kNoSlot is the
/// largest key, so what is left out ends up behind the rows. Pointers are of the policy's system.
template <typename Policy, typename Keys, typename Ints>
void sort_permutation(const Policy& policy, Keys keys, std::int32_t choices, std::int32_t slots,
                      std::int32_t tile, Ints order, Ints slot_rows, Ints slot_begin,
                      Ints padded_begin) {
  thrust::sequence(policy, order, order + choices);
  thrust::stable_sort_by_key(policy, keys, keys + choices, order);
  const thrust::counting_iterator<std::int32_t> first(0);
  thrust::lower_bound(policy, keys, keys + choices, first, first + slots + 1, slot_begin);
  thrust::transform(policy, slot_begin, slot_begin + slots, slot_begin + 1, slot_rows,
                    RowsBetween{});
  thrust::transform(policy, slot_rows, slot_rows + slots, padded_begin + 1, RoundUp{tile});
  thrust::inclusive_scan(policy, padded_begin + 1, padded_begin + slots + 1, padded_begin + 1);
  thrust::fill(policy, padded_begin, padded_begin + 1, 0);
}

}  // namespace tollgate::kernels
