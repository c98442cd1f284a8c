#include <benchmark/benchmark.h>

#include <filesystem>

#include "sim/serving/workload/traffic_generator.h"
#include "sim/spec/library.h"

namespace {

using namespace tollgate;

constexpr std::int64_t count = 1'000'000;

LengthSpec lognormal(double mean, double sigma) {
  LengthSpec l;
  l.kind = LengthKind::lognormal;
  l.mean = mean;
  l.sigma = sigma;
  return l;
}

/// Azure 2023 conversations as log-normals.
RequestClass lognormal_chat() {
  RequestClass c;
  c.name = "chat";
  c.input = lognormal(1232, 0.985);
  c.output = lognormal(219, 0.859);
  return c;
}

RequestClass preset(const char* name) {
  Library library(TOLLGATE_REPOSITORY "/models");
  return library.traffic(name, {});
}

LoadSpec at_rate(ArrivalKind kind) {
  LoadSpec load;
  load.kind = LoadKind::rate;
  load.rate = 10;
  load.arrivals.kind = kind;
  load.arrivals.cv = 3;
  load.arrivals.on = 10;
  load.arrivals.off = 30;
  return load;
}

/// Target: 10 M requests/s on one core for Poisson arrivals of log-normal lengths.
void generate(benchmark::State& state, const std::vector<RequestClass>& classes, ArrivalKind kind) {
  TrafficOptions options;
  options.requests = count;
  options.context = 131'072;
  const LoadSpec load = at_rate(kind);
  for (auto _ : state) benchmark::DoNotOptimize(generate_traffic(classes, load, options));
  state.counters["requests/s"] =
      benchmark::Counter(static_cast<double>(count) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(generate, lognormal_poisson, {lognormal_chat()}, ArrivalKind::poisson)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(generate, quantiles_poisson, {preset("chat")}, ArrivalKind::poisson)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(generate, mix_poisson, {preset("chat"), preset("code"), preset("reasoning")},
                  ArrivalKind::poisson)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(generate, lognormal_gamma, {lognormal_chat()}, ArrivalKind::gamma)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(generate, lognormal_on_off, {lognormal_chat()}, ArrivalKind::on_off)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(generate, lognormal_diurnal, {lognormal_chat()}, ArrivalKind::diurnal)
    ->Unit(benchmark::kMillisecond);

}  // namespace
