#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "kernels/cuda/cuda_check.h"

namespace tollgate::microbench {

/// Device memory of bytes, filled with small random bf16 or fp8 values.
class Buffer {
 public:
  enum class Fill { bf16, fp8, zero };
  Buffer(std::size_t bytes, Fill fill);
  void* at(std::size_t offset) const { return memory_.data() + offset; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
  kernels::DeviceArray<std::uint8_t> memory_;
};

/// Seconds of one call: `calls` calls are captured to one CUDA graph, which is replayed three times
/// to warm up and six times under the clock. `call(i, stream)` launches the i-th.
double seconds_per_call(int calls, const std::function<void(int, cudaStream_t)>& call);

/// How many copies of an operand of `bytes` a loop must pass through so that none is left in the
/// last-level cache when its turn comes again: twice the cache, at least 3, at most 1024.
int copies_for(std::size_t bytes, std::size_t cache);

/// The current clock of the processors in GHz: cycles against the global timer, 20 ms.
double clock_ghz();

/// The table written so far, one line per measurement.
class Table {
 public:
  static const char* header();
  void gemm(const std::string& precision, const std::string& version, long long m, long long n,
            long long k, double seconds);
  void elementwise(double bytes, double seconds);
  void decode(long long batch, long long context, int heads, int kv_heads, int head_dim,
              double seconds);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void measure_gemm(Table& table, bool quick);
void measure_elementwise(Table& table, bool quick);
void measure_decode(Table& table, bool quick);

}  // namespace tollgate::microbench
