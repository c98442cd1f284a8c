#include <benchmark/benchmark.h>

#include <vector>

#include "sim/operators/gemm_curve.h"
#include "sim/operators/moe_curve.h"

namespace tollgate {
namespace {

/// One evaluation; a step asks for a dozen of them. `shape` is swept in its first column so that
/// branches do not become constant.
void evaluate(benchmark::State& state, const OperatorCurve& curve, std::vector<double> shape) {
  Device device;
  device.bf16 = 989e12;
  device.fp8 = 1979e12;
  device.bandwidth = 4.8e12;
  device.processors = 132;
  device.l2 = 50 * 1048576.0;
  const CurveContext context{device, find_number_format("fp8")};
  std::vector<double> parameters;
  for (const CurveParameter& p : curve.parameters()) parameters.push_back(p.start);
  const double first = shape[0];
  unsigned i = 0;
  for (auto _ : state) {
    shape[0] = first + (++i & 255);
    benchmark::DoNotOptimize(curve.seconds(shape.data(), context, parameters.data()));
  }
}

BENCHMARK_CAPTURE(evaluate, gemm, gemm_curve(), {64, 4096, 7168, 0});
BENCHMARK_CAPTURE(evaluate, moe, moe_curve(),
                  {7168, 2048, 1, 128, 1024, 128, 30, 480, 1920, 3840, 32, 0});
BENCHMARK_CAPTURE(evaluate, batched_gemm, batched_gemm_curve(), {16, 64, 512, 128});

}  // namespace
}  // namespace tollgate
