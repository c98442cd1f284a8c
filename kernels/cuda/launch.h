#pragma once
/// Kernel launches. The pointers inside the CudaProblem are to device memory here.

#include "kernels/cuda/cuda_routing.h"

namespace tollgate::kernels {

/// Empty if the current device can run this program's kernels, else the CUDA error.
std::string gate_kernel_error();

/// Writes `ids` [layer][token][slot].
void launch_gate(const CudaProblem& device, std::uint16_t* ids);

/// The same for a hash-routed gate.
void launch_hash(const CudaProblem& device, std::uint16_t* ids);

/// Adds to `expert_tokens` [layer][expert] and `destinations` [rank count].
void launch_token_counts(const CudaProblem& device, const std::uint16_t* ids,
                         unsigned long long* expert_tokens, unsigned long long* destinations);

/// One record per window, ordered as in CudaRouting::count_windows.
void launch_window_counts(const CudaProblem& device, const std::uint16_t* ids, int batch_size,
                          WindowRecord* windows, RankRecord* ranks);

}  // namespace tollgate::kernels
