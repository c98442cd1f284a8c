#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <cstdio>

#include "tools/microbench/bench.h"

namespace tollgate::microbench {
namespace {

__device__ float noise(std::uint64_t i) {
  // splitmix64 (Steele, Lea and Flood, 2014), to [-1, 1): data as random as that of a model, since
  // power, and with it the clock, depends on the bits.
  std::uint64_t z = i * 0x9e3779b97f4a7c15ull + 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  return static_cast<float>(z >> 40) * 0x1p-23f - 1.0f;
}

template <class T>
__global__ void fill_kernel(T* data, std::size_t count) {
  const std::size_t stride = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = blockIdx.x * static_cast<std::size_t>(blockDim.x) + threadIdx.x; i < count;
       i += stride) {
    data[i] = T(noise(i));
  }
}

__global__ void clock_kernel(long long* out) {
  unsigned long long begin, now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
  const long long cycles = clock64();
  do {
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  } while (now - begin < 20'000'000);
  out[0] = clock64() - cycles;
  out[1] = static_cast<long long>(now - begin);
}

class Graph {
 public:
  Graph(int calls, const std::function<void(int, cudaStream_t)>& call) {
    TOLLGATE_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    TOLLGATE_CUDA_CHECK(cudaEventCreate(&begin_));
    TOLLGATE_CUDA_CHECK(cudaEventCreate(&end_));
    // Libraries allocate on a first call, which a capture forbids.
    call(0, stream_);
    TOLLGATE_CUDA_CHECK(cudaStreamSynchronize(stream_));
    cudaGraph_t graph = nullptr;
    TOLLGATE_CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < calls; ++i) call(i, stream_);
    TOLLGATE_CUDA_CHECK(cudaStreamEndCapture(stream_, &graph));
    TOLLGATE_CUDA_CHECK(cudaGraphInstantiate(&executable_, graph, 0));
    TOLLGATE_CUDA_CHECK(cudaGraphDestroy(graph));
  }
  ~Graph() {
    if (executable_) cudaGraphExecDestroy(executable_);
    cudaEventDestroy(end_);
    cudaEventDestroy(begin_);
    cudaStreamDestroy(stream_);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  double seconds(int replays) {
    TOLLGATE_CUDA_CHECK(cudaEventRecord(begin_, stream_));
    for (int i = 0; i < replays; ++i) TOLLGATE_CUDA_CHECK(cudaGraphLaunch(executable_, stream_));
    TOLLGATE_CUDA_CHECK(cudaEventRecord(end_, stream_));
    TOLLGATE_CUDA_CHECK(cudaEventSynchronize(end_));
    float ms = 0;
    TOLLGATE_CUDA_CHECK(cudaEventElapsedTime(&ms, begin_, end_));
    return 1e-3 * static_cast<double>(ms);
  }

 private:
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace

Buffer::Buffer(std::size_t bytes, Fill fill) : bytes_(bytes), memory_(bytes) {
  if (fill == Fill::zero) {
    memory_.clear();
  } else if (fill == Fill::bf16) {
    fill_kernel<<<1024, 256>>>(reinterpret_cast<__nv_bfloat16*>(memory_.data()), bytes / 2);
  } else {
    fill_kernel<<<1024, 256>>>(reinterpret_cast<__nv_fp8_e4m3*>(memory_.data()), bytes);
  }
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
  TOLLGATE_CUDA_CHECK(cudaDeviceSynchronize());
}

double seconds_per_call(int calls, const std::function<void(int, cudaStream_t)>& call) {
  Graph graph(calls, call);
  graph.seconds(3);
  constexpr int replays = 6;
  return graph.seconds(replays) / (static_cast<double>(replays) * calls);
}

int copies_for(std::size_t bytes, std::size_t cache) {
  const std::size_t wanted = 2 * cache / std::max<std::size_t>(bytes, 1) + 1;
  return static_cast<int>(std::clamp<std::size_t>(wanted, 3, 1024));
}

double clock_ghz() {
  kernels::DeviceArray<long long> out(2);
  clock_kernel<<<1, 1>>>(out.data());
  TOLLGATE_CUDA_CHECK(cudaGetLastError());
  long long host[2] = {0, 1};
  TOLLGATE_CUDA_CHECK(cudaMemcpy(host, out.data(), sizeof host, cudaMemcpyDeviceToHost));
  return static_cast<double>(host[0]) / static_cast<double>(std::max(1LL, host[1]));
}

const char* Table::header() {
  return "op,backend,version,precision,kernel,m,n,k,copies,bytes,batch,context,heads,kv_heads,"
         "head_dim,window,latency_us\n";
}

void Table::gemm(const std::string& precision, const std::string& version, long long m, long long n,
                 long long k, double seconds) {
  char line[256];
  std::snprintf(line, sizeof line, "gemm,cublaslt,%s,%s,cublaslt,%lld,%lld,%lld,0,,,,,,,,%.4f\n",
                version.c_str(), precision.c_str(), m, n, k, 1e6 * seconds);
  text_ += line;
}

void Table::elementwise(double bytes, double seconds) {
  char line[256];
  std::snprintf(line, sizeof line, "elementwise,cuda,,bytes,scale,,,,,%.0f,,,,,,,%.4f\n", bytes,
                1e6 * seconds);
  text_ += line;
}

void Table::decode(long long batch, long long context, int heads, int kv_heads, int head_dim,
                   double seconds) {
  char line[256];
  std::snprintf(line, sizeof line,
                "decode_attention,cuda,,bf16,kv_stream,,,,,,%lld,%lld,%d,%d,%d,0,%.4f\n", batch,
                context, heads, kv_heads, head_dim, 1e6 * seconds);
  text_ += line;
}

}  // namespace tollgate::microbench
