#pragma once
/// CUDA errors as exceptions, and device memory that frees itself. Only for .cu files.

#include <cuda_runtime.h>

#include <cstddef>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {

inline void cuda_check(cudaError_t error, const char* call, const char* file, int line) {
  if (error == cudaSuccess) return;
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + call +
                           " failed: " + cudaGetErrorName(error) + " (" +
                           cudaGetErrorString(error) + ")");
}

#define TOLLGATE_CUDA_CHECK(call) ::tollgate::kernels::cuda_check((call), #call, __FILE__, __LINE__)

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count) : count_(count) {
    if (count != 0) TOLLGATE_CUDA_CHECK(cudaMalloc(&data_, count * sizeof(T)));
  }
  DeviceArray(const T* host, std::size_t count) : DeviceArray(count) {
    if (count != 0) {
      TOLLGATE_CUDA_CHECK(cudaMemcpy(data_, host, count * sizeof(T), cudaMemcpyHostToDevice));
    }
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }

  void clear() {
    if (count_ != 0) TOLLGATE_CUDA_CHECK(cudaMemset(data_, 0, count_ * sizeof(T)));
  }
  void copy_to(T* host) const { copy_to(host, count_); }

  /// The first `count` elements.
  void copy_to(T* host, std::size_t count) const {
    if (count != 0) {
      TOLLGATE_CUDA_CHECK(cudaMemcpy(host, data_, count * sizeof(T), cudaMemcpyDeviceToHost));
    }
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

}  // namespace tollgate::kernels
