#include <thrust/device_ptr.h>
#include <thrust/system/cuda/execution_policy.h>

#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/permute_kernel.h"
#include "kernels/dispatch/sort_permutation.h"

namespace tollgate::kernels {

void sort_permutation(const PermuteProblem& problem, CudaStream stream) {
  const DeviceArray<std::uint16_t> keys(static_cast<std::size_t>(problem.choices));
  TOLLGATE_CUDA_CHECK(cudaMemcpyAsync(keys.data(), problem.slots,
                                      sizeof(std::uint16_t) * problem.choices,
                                      cudaMemcpyDeviceToDevice, stream));
  sort_permutation(thrust::cuda::par.on(stream), thrust::device_pointer_cast(keys.data()),
                   problem.choices, problem.slot_count, problem.tile,
                   thrust::device_pointer_cast(problem.choice_of_row),
                   thrust::device_pointer_cast(problem.slot_rows),
                   thrust::device_pointer_cast(problem.slot_begin),
                   thrust::device_pointer_cast(problem.padded_begin));
  TOLLGATE_CUDA_CHECK(cudaStreamSynchronize(stream));
}

}  // namespace tollgate::kernels
