#include <cuda_bf16.h>

#include <algorithm>
#include <vector>

#include "tools/microbench/bench.h"

namespace tollgate::microbench {
namespace {

/// y = 2 x, sixteen bytes per thread and turn.
__global__ void scale_kernel(const uint4* x, uint4* y, std::size_t count) {
  const std::size_t stride = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count;
       i += stride) {
    uint4 word = x[i];
    auto* pairs = reinterpret_cast<__nv_bfloat162*>(&word);
    for (int j = 0; j < 4; ++j) pairs[j] = __hadd2(pairs[j], pairs[j]);
    y[i] = word;
  }
}

constexpr int head_dim = 128;
constexpr int threads = 128;

/// Streams keys and values of one sequence and KV head through the processors as a decode kernel
/// does, with the dot product of one query head: what the memory system allows attention. Splits of
/// the context are blocks of z; no second pass joins them.
__global__ void kv_stream_kernel(const __nv_bfloat16* cache, const __nv_bfloat16* query, float* out,
                                 int context, int kv_heads, int per_split) {
  const int sequence = blockIdx.x, head = blockIdx.y, split = blockIdx.z;
  // Sixteen lanes hold one row of 128 elements, eight each.
  const int lane = threadIdx.x % 16, row_of_block = threadIdx.x / 16;
  const int from = split * per_split, to = min(context, from + per_split);
  const std::size_t stride = static_cast<std::size_t>(kv_heads) * head_dim;
  const std::size_t plane = static_cast<std::size_t>(context) * stride;
  const __nv_bfloat16* keys =
      cache + 2 * sequence * plane + static_cast<std::size_t>(head) * head_dim;
  const __nv_bfloat16* values = keys + plane;
  float q[8], sum[8] = {};
  for (int j = 0; j < 8; ++j) q[j] = __bfloat162float(query[head * head_dim + lane * 8 + j]);
  for (int row = from + row_of_block; row < to; row += threads / 16) {
    const std::size_t at = static_cast<std::size_t>(row) * stride + lane * 8;
    const uint4 k4 = *reinterpret_cast<const uint4*>(keys + at);
    const uint4 v4 = *reinterpret_cast<const uint4*>(values + at);
    const auto* k = reinterpret_cast<const __nv_bfloat16*>(&k4);
    const auto* v = reinterpret_cast<const __nv_bfloat16*>(&v4);
    float score = 0;
    for (int j = 0; j < 8; ++j) score += q[j] * __bfloat162float(k[j]);
    for (int step = 8; step > 0; step /= 2) score += __shfl_xor_sync(~0u, score, step, 16);
    const float weight = __expf(score * 0.088f - 8);
    for (int j = 0; j < 8; ++j) sum[j] += weight * __bfloat162float(v[j]);
  }
  float* place =
      out + ((static_cast<std::size_t>(sequence) * kv_heads + head) * gridDim.z + split) * head_dim;
  for (int j = 0; j < 8; ++j) atomicAdd(place + lane * 8 + j, sum[j]);
}

cudaDeviceProp properties_of_device() {
  int device = 0;
  cudaDeviceProp properties;
  TOLLGATE_CUDA_CHECK(cudaGetDevice(&device));
  TOLLGATE_CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
  return properties;
}

}  // namespace

void measure_elementwise(Table& table, bool quick) {
  const cudaDeviceProp properties = properties_of_device();
  const std::size_t largest = quick ? std::size_t{1} << 28 : std::size_t{1} << 31;
  const Buffer x(largest / 2, Buffer::Fill::bf16), y(largest / 2, Buffer::Fill::zero);
  const std::size_t words = largest / 2 / sizeof(uint4);
  for (std::size_t bytes = 1 << 10; bytes <= largest; bytes += bytes / 2) {
    const std::size_t count = std::min(words, std::max<std::size_t>(1, bytes / 2 / sizeof(uint4)));
    const auto blocks = static_cast<unsigned>(std::min<std::size_t>(
        (count + 255) / 256, static_cast<std::size_t>(properties.multiProcessorCount) * 8));
    const double seconds = seconds_per_call(20, [&](int, cudaStream_t stream) {
      scale_kernel<<<blocks, 256, 0, stream>>>(static_cast<const uint4*>(x.at(0)),
                                               static_cast<uint4*>(y.at(0)), count);
      TOLLGATE_CUDA_CHECK(cudaGetLastError());
    });
    table.elementwise(2.0 * static_cast<double>(count * sizeof(uint4)), seconds);
  }
}

void measure_decode(Table& table, bool quick) {
  const cudaDeviceProp properties = properties_of_device();
  constexpr int heads = 32;
  const std::vector<int> batches =
      quick ? std::vector<int>{1, 16, 64} : std::vector<int>{1, 2, 4, 8, 16, 32, 64, 128, 256};
  const std::vector<int> contexts =
      quick ? std::vector<int>{1024, 8192}
            : std::vector<int>{128, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072};
  const std::size_t room = std::min<std::size_t>(properties.totalGlobalMem / 2, 16ull << 30);
  const Buffer cache(room, Buffer::Fill::bf16);
  for (const int kv_heads : quick ? std::vector<int>{8} : std::vector<int>{1, 4, 8, 32}) {
    const Buffer query(static_cast<std::size_t>(kv_heads) * head_dim * 2, Buffer::Fill::bf16);
    for (const int batch : batches) {
      for (const int context : contexts) {
        const std::size_t one = std::size_t{2} * 2 * batch * context * kv_heads * head_dim;
        if (one > room) continue;
        const int copies =
            std::min(copies_for(one, static_cast<std::size_t>(properties.l2CacheSize)),
                     static_cast<int>(room / one));
        // Four blocks per processor, of 64 rows at least.
        const int wanted =
            (4 * properties.multiProcessorCount + batch * kv_heads - 1) / (batch * kv_heads);
        const int splits = std::clamp(wanted, 1, std::max(1, context / 64));
        const int per_split = (context + splits - 1) / splits;
        const Buffer out(static_cast<std::size_t>(batch) * kv_heads * splits * head_dim * 4,
                         Buffer::Fill::zero);
        const dim3 grid(static_cast<unsigned>(batch), static_cast<unsigned>(kv_heads),
                        static_cast<unsigned>(splits));
        const double seconds = seconds_per_call(copies, [&](int i, cudaStream_t stream) {
          kv_stream_kernel<<<grid, threads, 0, stream>>>(
              static_cast<const __nv_bfloat16*>(cache.at(one * static_cast<std::size_t>(i))),
              static_cast<const __nv_bfloat16*>(query.at(0)), static_cast<float*>(out.at(0)),
              context, kv_heads, per_split);
          TOLLGATE_CUDA_CHECK(cudaGetLastError());
        });
        table.decode(batch, context, heads, kv_heads, head_dim, seconds);
      }
    }
  }
}

}  // namespace tollgate::microbench
