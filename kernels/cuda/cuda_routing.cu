#include <cuda_runtime.h>

#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/cuda_routing.h"
#include "kernels/cuda/launch.h"

namespace tollgate::kernels {

static_assert(sizeof(unsigned long long) == sizeof(std::int64_t));

struct CudaRouting::Impl {
  DeviceArray<std::int32_t> popularity;
  DeviceArray<std::uint16_t> token_contexts;
  DeviceArray<std::int32_t> bias;
  DeviceArray<std::uint32_t> token_ids;
  DeviceArray<std::uint16_t> hash_table;
  DeviceArray<GumbelTables> gumbel;
  DeviceArray<ScoreTables> scores;
  DeviceArray<int> rank_counts;
  DeviceArray<std::uint16_t> ids;
  CudaProblem device;

  explicit Impl(const CudaProblem& p)
      : popularity(p.popularity, p.token_ids != nullptr
                                     ? 0
                                     : static_cast<std::size_t>(p.layers) * p.contexts * p.choices),
        token_contexts(p.token_contexts, p.token_ids != nullptr ? 0 : p.tokens),
        bias(p.bias, p.bias == nullptr ? 0 : static_cast<std::size_t>(p.layers) * p.choices),
        token_ids(p.token_ids, p.token_ids == nullptr ? 0 : p.tokens),
        hash_table(p.hash_table, p.hash_table == nullptr ? 0 : p.hash_entries),
        gumbel(p.gumbel, 1),
        scores(p.scores, 1),
        rank_counts(p.rank_counts, p.rank_count_number),
        ids(static_cast<std::size_t>(p.layers) * p.tokens * p.gate.top_k),
        device(p) {
    device.popularity = popularity.data();
    device.token_contexts = token_contexts.data();
    device.bias = bias.data();
    device.token_ids = token_ids.data();
    device.hash_table = hash_table.data();
    device.gumbel = gumbel.data();
    device.scores = scores.data();
    device.rank_counts = rank_counts.data();
  }
};

CudaRouting::CudaRouting(const CudaProblem& problem) : impl_(new Impl(problem)) {
  try {
    if (problem.token_ids != nullptr) {
      launch_hash(impl_->device, impl_->ids.data());
    } else {
      launch_gate(impl_->device, impl_->ids.data());
    }
    TOLLGATE_CUDA_CHECK(cudaDeviceSynchronize());
  } catch (...) {
    delete impl_;
    throw;
  }
}

CudaRouting::~CudaRouting() { delete impl_; }

void CudaRouting::copy_ids(std::uint16_t* ids) const { impl_->ids.copy_to(ids); }

void CudaRouting::count_tokens(std::int64_t* expert_tokens, std::int64_t* destinations) const {
  const CudaProblem& p = impl_->device;
  DeviceArray<unsigned long long> experts(static_cast<std::size_t>(p.layers) * p.experts);
  DeviceArray<unsigned long long> ranks(p.rank_count_number);
  experts.clear();
  ranks.clear();
  launch_token_counts(p, impl_->ids.data(), experts.data(), ranks.data());
  experts.copy_to(reinterpret_cast<unsigned long long*>(expert_tokens));
  ranks.copy_to(reinterpret_cast<unsigned long long*>(destinations));
}

void CudaRouting::count_windows(int batch_size, WindowRecord* windows, RankRecord* ranks) const {
  const CudaProblem& p = impl_->device;
  const std::size_t count = static_cast<std::size_t>(p.layers) * (p.tokens / batch_size);
  DeviceArray<WindowRecord> device_windows(count);
  DeviceArray<RankRecord> device_ranks(count * p.rank_count_number);
  launch_window_counts(p, impl_->ids.data(), batch_size, device_windows.data(),
                       device_ranks.data());
  device_windows.copy_to(windows);
  device_ranks.copy_to(ranks);
}

std::string cuda_unavailable_reason() {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  cudaGetLastError();
  if (error == cudaErrorInsufficientDriver) {
    return "no CUDA driver is installed, or it is older than this program's CUDA runtime";
  }
  if (error != cudaSuccess) {
    return std::string("the CUDA runtime reports ") + cudaGetErrorName(error) + " (" +
           cudaGetErrorString(error) + ")";
  }
  if (devices == 0) return "there is no CUDA device";
  const std::string kernel_error = gate_kernel_error();
  if (kernel_error.empty()) return "";
  return "the device cannot run this program's kernels: " + kernel_error;
}

}  // namespace tollgate::kernels
