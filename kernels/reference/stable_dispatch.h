#pragma once
/// The dispatch permutation as its definition says: a stable sort.

#include <cstdint>
#include <span>

#include "kernels/dispatch/dispatch.h"

namespace tollgate::kernels {

/// The result of `dispatch`, by std::stable_sort. Errors as there.
Dispatch stable_sorted_dispatch(std::span<const std::uint16_t> slots, int top_k,
                                const Placement& placement, int tile);

}  // namespace tollgate::kernels
