#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "tools/microbench/bench.h"

namespace tollgate::microbench {
namespace {

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw std::runtime_error(std::string(what) + " failed: " + cublasLtGetStatusString(status));
}

struct Format {
  const char* name;
  cudaDataType_t type;
  std::size_t bytes;
  Buffer::Fill fill;
};
constexpr Format bf16{"bf16", CUDA_R_16BF, 2, Buffer::Fill::bf16};
constexpr Format fp8{"fp8", CUDA_R_8F_E4M3, 1, Buffer::Fill::fp8};

constexpr std::size_t workspace_bytes = 64 << 20;

/// y[m,n] = x[m,k] W[n,k]^T in row order, which is W^T x^T in cuBLAS's column order; the only
/// layout its fp8 products take.
class Product {
 public:
  Product(const Format& format, long long m, long long n, long long k) {
    check(cublasLtCreate(&handle_), "cublasLtCreate");
    check(cublasLtMatmulDescCreate(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F),
          "cublasLtMatmulDescCreate");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    check(cublasLtMatmulDescSetAttribute(operation_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                         sizeof transposed),
          "cublasLtMatmulDescSetAttribute");
    check(cublasLtMatrixLayoutCreate(&weights_, format.type, k, n, k), "layout of the weights");
    check(cublasLtMatrixLayoutCreate(&input_, format.type, k, m, k), "layout of the input");
    check(cublasLtMatrixLayoutCreate(&output_, CUDA_R_16BF, n, m, n), "layout of the output");
    check(cublasLtMatmulPreferenceCreate(&preference_), "cublasLtMatmulPreferenceCreate");
    check(
        cublasLtMatmulPreferenceSetAttribute(preference_, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &workspace_bytes, sizeof workspace_bytes),
        "cublasLtMatmulPreferenceSetAttribute");
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        handle_, operation_, weights_, input_, output_, output_, preference_, 1, &choice_, &found);
    possible_ = status == CUBLAS_STATUS_SUCCESS && found > 0;
  }
  ~Product() {
    if (preference_) cublasLtMatmulPreferenceDestroy(preference_);
    for (const cublasLtMatrixLayout_t layout : {weights_, input_, output_}) {
      if (layout) cublasLtMatrixLayoutDestroy(layout);
    }
    if (operation_) cublasLtMatmulDescDestroy(operation_);
    if (handle_) cublasLtDestroy(handle_);
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  /// cuBLASLt has a kernel for it.
  bool possible() const { return possible_; }

  void launch(const void* weights, const void* input, void* output, void* workspace,
              cudaStream_t stream) const {
    const float one = 1, zero = 0;
    check(
        cublasLtMatmul(handle_, operation_, &one, weights, weights_, input, input_, &zero, output,
                       output_, output, output_, &choice_.algo, workspace, workspace_bytes, stream),
        "cublasLtMatmul");
  }

 private:
  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulDesc_t operation_ = nullptr;
  cublasLtMatrixLayout_t weights_ = nullptr, input_ = nullptr, output_ = nullptr;
  cublasLtMatmulPreference_t preference_ = nullptr;
  cublasLtMatmulHeuristicResult_t choice_{};
  bool possible_ = false;
};

}  // namespace

void measure_gemm(Table& table, bool quick) {
  int device = 0;
  cudaDeviceProp properties;
  TOLLGATE_CUDA_CHECK(cudaGetDevice(&device));
  TOLLGATE_CUDA_CHECK(cudaGetDeviceProperties(&properties, device));
  const auto cache = static_cast<std::size_t>(properties.l2CacheSize);
  const bool has_fp8 = properties.major > 8 || (properties.major == 8 && properties.minor >= 9);
  std::vector<Format> formats{bf16};
  if (has_fp8) formats.push_back(fp8);

  std::vector<long long> rows{1,   2,   4,   8,   16,  32,   48,   64,   96,   128,
                              192, 256, 384, 512, 768, 1024, 2048, 4096, 8192, 16384};
  std::vector<std::array<long long, 2>> sites;
  for (const long long n : {512, 1024, 2048, 4096, 6144, 8192, 14336, 28672}) {
    for (const long long k : {512, 1024, 2048, 4096, 7168, 8192, 14336}) sites.push_back({n, k});
  }
  if (quick) {
    rows = {1, 16, 64, 256, 1024, 8192};
    sites = {{1024, 1024}, {4096, 4096}, {8192, 2048}, {2048, 8192}, {8192, 8192}};
  }
  const std::string version = std::to_string(cublasLtGetVersion());
  const Buffer workspace(workspace_bytes, Buffer::Fill::zero);
  for (const Format& format : formats) {
    for (const auto& [n, k] : sites) {
      const std::size_t one = static_cast<std::size_t>(n * k) * format.bytes;
      const int copies = copies_for(one, cache);
      const Buffer weights(one * static_cast<std::size_t>(copies), format.fill);
      const Buffer input(static_cast<std::size_t>(rows.back() * k) * format.bytes, format.fill);
      const Buffer output(static_cast<std::size_t>(rows.back() * n) * 2, Buffer::Fill::zero);
      for (const long long m : rows) {
        // cuBLASLt wants 16 rows at least in fp8; engines pad to that.
        const long long padded = format.bytes == 1 ? (m + 15) / 16 * 16 : m;
        const Product product(format, padded, n, k);
        if (!product.possible()) continue;
        const double seconds = seconds_per_call(copies, [&](int i, cudaStream_t stream) {
          product.launch(weights.at(one * static_cast<std::size_t>(i)), input.at(0), output.at(0),
                         workspace.at(0), stream);
        });
        table.gemm(format.name, version, m, n, k, seconds);
      }
    }
  }
}

}  // namespace tollgate::microbench
