#pragma once
/// Gates over logits that lie in device memory.

#include <cstdint>

#include "kernels/cuda/cuda_routing.h"
#include "kernels/cuda/stream.h"

namespace tollgate::kernels {

/// Writes `ids` [layer][token][slot] from `logits` [layer][token][expert], one warp per token. Of
/// the problem the gate, sizes, bias and score tables are read; all pointers are to device memory.
/// `first_nan` receives the least index of a NaN if that is less than what it holds.
void launch_logit_gate(const CudaProblem& problem, const float* logits, std::uint16_t* ids,
                       unsigned long long* first_nan, CudaStream stream = nullptr);

/// The same from and to host memory. Returns the index of the first NaN, or -1.
std::int64_t cuda_select_logits(const CudaProblem& problem, const float* logits,
                                std::uint16_t* ids);

}  // namespace tollgate::kernels
