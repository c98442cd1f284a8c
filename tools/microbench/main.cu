#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "tools/microbench/bench.h"

namespace {

constexpr const char* usage =
    "usage: tollgate-microbench [--quick] [--output FILE]\n"
    "Measures matrix products (cuBLASLt, bf16 and fp8), elementwise kernels and the streaming of "
    "a\n"
    "KV cache on the first visible NVIDIA GPU and writes the table that `tollgate calibrate` "
    "reads.\n";

void describe(const cudaDeviceProp& properties, double before) {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  std::fprintf(stderr,
               "%s, compute capability %d.%d, %d processors, %.1f MiB of L2, %.1f GiB; driver for "
               "CUDA %d.%d, runtime %d.%d; %.2f GHz\n",
               properties.name, properties.major, properties.minor, properties.multiProcessorCount,
               properties.l2CacheSize / 1048576.0,
               static_cast<double>(properties.totalGlobalMem) / (1 << 30), driver / 1000,
               driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10, before);
}

int measure(bool quick, const std::string& path) {
  namespace bench = tollgate::microbench;
  cudaDeviceProp properties;
  TOLLGATE_CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
  describe(properties, bench::clock_ghz());
  bench::Table table;
  bench::measure_elementwise(table, quick);
  bench::measure_decode(table, quick);
  bench::measure_gemm(table, quick);
  std::fprintf(stderr, "%.2f GHz after the last measurement\n", bench::clock_ghz());
  std::FILE* out = path.empty() || path == "-" ? stdout : std::fopen(path.c_str(), "w");
  if (!out) {
    std::fprintf(stderr, "tollgate-microbench: %s: the file cannot be opened: %s.\n", path.c_str(),
                 std::strerror(errno));
    return 3;
  }
  const bool written = std::fputs(bench::Table::header(), out) >= 0 &&
                       std::fputs(table.text().c_str(), out) >= 0 && std::fflush(out) == 0;
  if (out != stdout) std::fclose(out);
  if (written) return 0;
  std::fprintf(stderr, "tollgate-microbench: the table cannot be written.\n");
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  bool quick = false;
  std::string path;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help" || word == "-h") {
      std::fputs(usage, stdout);
      return 0;
    }
    if (word == "--quick") {
      quick = true;
    } else if ((word == "--output" || word == "-o") && i + 1 < argc) {
      path = argv[++i];
    } else {
      std::fprintf(stderr, "tollgate-microbench: %s is not expected.\n%s", word.c_str(), usage);
      return 2;
    }
  }
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "tollgate-microbench: no NVIDIA GPU can be used: %s.\n",
                 error == cudaSuccess ? "none is there" : cudaGetErrorString(error));
    return 4;
  }
  try {
    return measure(quick, path);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "tollgate-microbench: %s\n", failure.what());
    return 4;
  }
}
