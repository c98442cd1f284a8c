#pragma once
/// A CUDA stream without the CUDA headers.

struct CUstream_st;

namespace tollgate::kernels {

/// cudaStream_t; null is the default stream.
using CudaStream = CUstream_st*;

}  // namespace tollgate::kernels
