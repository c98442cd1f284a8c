#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "sim/operators/attention_tables.h"
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

BENCHMARK_CAPTURE(evaluate, gemm, gemm_curve(), {64, 4096, 7168, 0, 0, 0});
BENCHMARK_CAPTURE(evaluate, moe, moe_curve(),
                  {7168, 2048, 1, 128, 1024, 128, 30, 480, 1920, 3840, 32, 0});
BENCHMARK_CAPTURE(evaluate, batched_gemm, batched_gemm_curve(), {16, 64, 512, 128});

/// Attention of 8 heads over 1000 positions; 50 ns apiece keep a step of 20 operators at 1 us.
const int attention = [] {
  for (const OperatorCurve* curve : attention_curves()) {
    std::vector<double> shape;
    for (const std::string_view column : curve->columns()) {
      const bool length = column == "seq" || column == "context" || column == "past";
      shape.push_back(column == "window" ? 0 : length ? 1000 : column == "head_dim" ? 128 : 8);
    }
    benchmark::RegisterBenchmark(std::string(curve->op()).c_str(),
                                 [=](benchmark::State& state) { evaluate(state, *curve, shape); });
  }
  return 0;
}();

}  // namespace
}  // namespace tollgate
