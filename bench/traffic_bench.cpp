#include <benchmark/benchmark.h>

#include <string>

#include "sim/serving/workload/trace_reader.h"
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

RequestClass conversations() {
  RequestClass c = preset("agentic-tools");
  c.session->system_prompt = 2000;
  return c;
}

/// Memory of ten million requests, of the table alone; target: 64 bytes each with the outcome's 24.
void ten_million(benchmark::State& state, const RequestClass& request_class) {
  TrafficOptions options;
  options.requests = 10'000'000;
  options.context = 131'072;
  GeneratedTraffic t;
  for (auto _ : state) {
    t = {};
    t = generate_traffic({request_class}, at_rate(ArrivalKind::poisson), options);
  }
  const auto bytes = [](const auto& v) { return static_cast<double>(v.capacity() * sizeof(v[0])); };
  const RequestTable& table = t.table;
  state.counters["bytes/request"] =
      (bytes(table.arrival) + bytes(table.input) + bytes(table.output) + bytes(table.stream) +
       bytes(table.shared) + bytes(table.streams) + bytes(table.successors_begin) +
       bytes(table.successors) + bytes(t.class_of)) /
      1e7;
  state.counters["requests/s"] = benchmark::Counter(1e7 * static_cast<double>(state.iterations()),
                                                    benchmark::Counter::kIsRate);
}

/// A million rows of CSV.
void read_csv(benchmark::State& state) {
  TrafficOptions options;
  options.requests = count;
  const RequestTable t =
      generate_traffic({lognormal_chat()}, at_rate(ArrivalKind::poisson), options).table;
  std::string text = "arrival_s,input_tokens,output_tokens\n";
  for (std::size_t r = 0; r < t.input.size(); ++r) {
    text += std::to_string(to_seconds(t.arrival[r])) + ',' + std::to_string(t.input[r]) + ',' +
            std::to_string(t.output[r]) + '\n';
  }
  for (auto _ : state) benchmark::DoNotOptimize(parse_trace(text, "trace", {}));
  state.counters["rows/s"] =
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
BENCHMARK_CAPTURE(generate, sessions, {preset("agentic-tools")}, ArrivalKind::poisson)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ten_million, lognormal, lognormal_chat())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ten_million, sessions, conversations())->Unit(benchmark::kMillisecond);
BENCHMARK(read_csv)->Unit(benchmark::kMillisecond);

}  // namespace
