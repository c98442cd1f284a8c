#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cmath>
#include <random>

#include "sim/serving/engine/simulate.h"
#include "sim/serving/engine/step_table.h"
#include "sim/spec/library.h"
#include "tests/serving/engine_reference.h"

namespace {

using namespace tollgate;

struct Prepared {
  Library library{TOLLGATE_REPOSITORY "/models"};
  LlmSpec model = library.model("Llama-3.1-70B", {});
  HardwareSpec hardware = library.hardware("H200-SXM", {});
  EngineCurves curves{std::make_shared<CurveFiles>(library), hardware, library.engine("vllm", {})};
  StepModel step{model,
                 curves,
                 {8, 1, 1, 1},
                 model.precision,
                 DeploymentSpec{},
                 without_graphs(),
                 RoutingTables(model.ffns.size())};
  StepTable table{step, range()};

  EngineSpec without_graphs() {
    EngineSpec engine = library.engine("vllm", {});
    engine.graphs.clear();
    return engine;
  }
  StepTableRange range() {
    StepTableRange r;
    r.graphs = library.engine("vllm", {}).graphs;
    return r;
  }
};

const Prepared& prepared() {
  static const Prepared p;
  return p;
}

/// Log-normal lengths and Poisson arrivals of the traffic presets (Azure 2023 conversation trace,
/// and ServeGen's deepseek-r1 for reasoning).
struct Preset {
  const char* name;
  double input_mu, input_sigma, output_mu, output_sigma;
};
constexpr Preset chat{"chat", 6.633, 0.985, 5.019, 0.859};
constexpr Preset reasoning{"reasoning", 5.319, 1.6, 6.943, 1.07};

RequestTable draw(const Preset& p, std::int64_t count, double rate) {
  std::mt19937_64 g(7);
  std::exponential_distribution<double> gap(rate);
  std::lognormal_distribution<double> in(p.input_mu, p.input_sigma),
      out(p.output_mu, p.output_sigma);
  RequestTable t;
  t.reserve(static_cast<std::size_t>(count));
  double now = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    now += gap(g);
    t.arrival.push_back(static_cast<Ticks>(now * 1e12));
    t.input.push_back(static_cast<std::int32_t>(std::clamp(in(g), 1.0, 60000.0)));
    t.output.push_back(static_cast<std::int32_t>(std::clamp(out(g), 1.0, 30000.0)));
  }
  return t;
}

ServingSystem system_of(int replicas) {
  ServingSystem s;
  s.engines.timer = &prepared().table;
  s.engines.scheduler.blocks = 100'000;
  s.engines.replicas = replicas;
  return s;
}

void report(benchmark::State& state, const RequestTable& t, const Outcome& o) {
  const auto n = static_cast<double>(t.size());
  state.counters["requests/s"] =
      benchmark::Counter(n * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["steps/request"] = static_cast<double>(o.counters.steps) / n;
  state.counters["events/request"] = static_cast<double>(o.counters.events) / n;
  state.counters["load"] = n / to_seconds(o.counters.end);
}

/// Target: 2 M requests/s on one core.
void simulate_preset(benchmark::State& state, const Preset& preset, double rate) {
  const RequestTable t = draw(preset, 1'000'000, rate);
  const ServingSystem s = system_of(1);
  Outcome o;
  for (auto _ : state) o = simulate(s, t);
  report(state, t, o);
}

/// The same requests, one step after the other: what the closed form is held against.
void plain_preset(benchmark::State& state, const Preset& preset, double rate) {
  const RequestTable t = draw(preset, 20'000, rate);
  const ServingSystem s = system_of(1);
  Outcome o;
  for (auto _ : state) o = simulate_plainly(s, t);
  report(state, t, o);
}

/// Conversations of five turns with a prefix cache that holds part of them.
void conversations(benchmark::State& state) {
  RequestTable t = draw(chat, 1'000'000, 10);
  for (std::int32_t r = 0; r < t.size(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    t.stream.push_back(r % 1000 + r / 5000 * 1000);
    t.shared.push_back(t.input[i] + t.output[i]);
  }
  const ServingSystem s = system_of(1);
  Outcome o;
  for (auto _ : state) o = simulate(s, t);
  report(state, t, o);
  state.counters["hit_rate"] =
      static_cast<double>(o.counters.cached_tokens) / static_cast<double>(o.counters.prompt_tokens);
}

/// Ten million requests on eight replicas; target: under 1 GB.
void ten_million(benchmark::State& state) {
  const RequestTable t = draw(chat, 10'000'000, 80);
  const ServingSystem s = system_of(8);
  Outcome o;
  for (auto _ : state) o = simulate(s, t);
  report(state, t, o);
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_MB"] = static_cast<double>(usage.ru_maxrss) / 1000;
}

void build_table(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(StepTable(prepared().step, {}));
}

BENCHMARK_CAPTURE(simulate_preset, chat, chat, 10)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(simulate_preset, chat_busy, chat, 40)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(simulate_preset, reasoning, reasoning, 2)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plain_preset, chat, chat, 10)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(plain_preset, reasoning, reasoning, 2)->Unit(benchmark::kMillisecond);
BENCHMARK(conversations)->Unit(benchmark::kMillisecond);
BENCHMARK(build_table)->Unit(benchmark::kMillisecond);
BENCHMARK(ten_million)->Unit(benchmark::kMillisecond)->Iterations(1)->UseRealTime();

}  // namespace
