#include <benchmark/benchmark.h>

#include <string>

#include "sim/operators/curve.h"

namespace {

using namespace tollgate;

/// One evaluation of a curve at its starting constants. Held against 1 us for a step of 61 layers
/// of about 15 operators each: where layers repeat, a step has some 20 different ones, 50 ns
/// apiece.
void evaluate(benchmark::State& state, const OperatorCurve* curve) {
  CurveContext context;
  context.device.bf16 = 989e12;
  context.device.fp8 = 1979e12;
  context.device.bandwidth = 3.35e12;
  context.device.processors = 132;
  context.device.l2 = 50 << 20;
  context.device.scale_up = 450e9;
  context.device.scale_out = 50e9;
  context.device.scale_up_latency = context.device.scale_out_latency = 5e-6;
  context.format = find_number_format("fp8");
  std::vector<double> parameters, shape;
  for (const CurveParameter& p : curve->parameters()) parameters.push_back(p.start);
  for (const std::string_view column : curve->columns()) {
    const bool length = column == "seq" || column == "context" || column == "past";
    const bool width = column == "n" || column == "k" || column == "hidden" || column == "inter";
    const bool none = column == "window" || column == "copies";
    shape.push_back(none ? 0 : length ? 1000 : width ? 4096 : column == "head_dim" ? 128 : 8);
  }
  for (auto _ : state) {
    shape[0] = shape[0] < 64 ? shape[0] + 1 : 8;
    benchmark::DoNotOptimize(curve->seconds(shape.data(), context, parameters.data()));
  }
}

const int registered = [] {
  for (const OperatorCurve* curve : operator_curves()) {
    benchmark::RegisterBenchmark(std::string(curve->op()).c_str(), evaluate, curve);
  }
  return 0;
}();

}  // namespace
