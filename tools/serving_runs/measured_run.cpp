#include "tools/serving_runs/measured_run.h"

#include <chrono>
#include <cmath>
#include <sstream>
#include <unordered_map>

#include "sim/serving/measured/csv_table.h"

namespace tollgate {
namespace {

/// Chains of prefix blocks as streams: a request has a stream of its own, which branches from the
/// one that first had the last block it shares.
void read_prefixes(const std::filesystem::path& path, RequestTable& t) {
  const CsvTable csv(path);
  const std::size_t blocks = csv.column("block_ids");
  std::unordered_map<std::int64_t, std::int32_t> owner;
  for (std::int32_t r = 0; r < t.size(); ++r) {
    std::istringstream chain{std::string(csv.text(static_cast<std::size_t>(r), blocks))};
    RequestTable::Stream own;
    bool shared = true;
    std::int32_t index = 0;
    for (std::int64_t id; chain >> id; ++index) {
      const auto [at, is_new] = owner.try_emplace(id, r);
      shared = shared && !is_new;
      if (shared) own = {at->second, (index + 1) * 16};
    }
    t.streams.push_back(own);
    t.stream.push_back(r);
    t.shared.push_back(t.input[static_cast<std::size_t>(r)] +
                       t.output[static_cast<std::size_t>(r)]);
  }
}

}  // namespace

std::vector<MeasuredRun> measured_runs() {
  std::vector<MeasuredRun> runs;
  SchedulerConfig vllm;
  vllm.batched_tokens = 2048;
  vllm.async = true;

  // RTX 4090: its profile says that the skew fit is not to be used (meta.yaml, skew_fit.enabled).
  MeasuredRun a{"RTX4090_Llama-3.1-8B", "RTX4090", "meta-llama/Llama-3.1-8B", {}, vllm};
  a.timing.layers = 32;
  a.timing.hidden = 4096;
  a.timing.uneven_contexts = false;
  a.scheduler.blocks = 2588;
  a.scheduler.max_sequences = 256;
  runs.push_back(a);

  // The others ran on one machine, whose host time per step is fitted to its runs: 500 us. Their
  // cache blocks were not recorded and were ample.
  constexpr double host_us = 500;
  MeasuredRun b{"RTXPRO6000_Llama-3.1-8B", "RTXPRO6000", "meta-llama/Llama-3.1-8B", {}, vllm};
  b.timing.layers = 32;
  b.timing.hidden = 4096;
  b.timing.step_us = host_us;
  b.scheduler.blocks = 38590;
  b.scheduler.max_sequences = 128;
  runs.push_back(b);

  MeasuredRun c{"RTXPRO6000_Qwen3-32B", "RTXPRO6000", "Qwen/Qwen3-32B", {}, vllm};
  c.timing.layers = 64;
  c.timing.hidden = 5120;
  c.timing.tensor = 2;
  c.timing.step_us = host_us;
  c.timing.collective_us = 20;
  c.timing.link_gb_per_s = 16;  // as LLMServingSim's configuration of this machine (PCIe)
  c.scheduler.blocks = 20000;
  c.scheduler.max_sequences = 128;
  runs.push_back(c);

  MeasuredRun d{"RTXPRO6000_Qwen3-30B-A3B-Instruct-2507",
                "RTXPRO6000",
                "Qwen/Qwen3-30B-A3B-Instruct-2507",
                {},
                vllm};
  d.timing.layers = 48;
  d.timing.hidden = 2048;
  d.timing.experts = 128;
  d.timing.top_k = 8;
  d.timing.expert_ranks = 2;
  d.timing.collective_us = 20;
  d.timing.link_gb_per_s = 16;
  // Its two processes agree on every step: another 100 us, fitted.
  d.timing.step_us = host_us + 100;
  d.scheduler.ranks = 2;
  d.scheduler.blocks = 38590;
  d.scheduler.max_sequences = 128;
  runs.push_back(d);
  return runs;
}

RunComparison compare_run(const MeasuredRun& run, const std::filesystem::path& data, Clock clock) {
  const CsvTable csv(data / "llmservingsim" / ("requests_" + run.tag + ".csv"));
  const bool client = clock == Clock::client;
  const std::size_t arrival = csv.column(client ? "client_arrival_s" : "queued_s");
  const std::size_t input = csv.column("input_toks"), output = csv.column("output_toks");
  RequestTable t;
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    t.arrival.push_back(std::llround(csv.number(r, arrival) * 1e12));
    if (r > 0) t.arrival[r] = std::max(t.arrival[r], t.arrival[r - 1]);
    t.input.push_back(static_cast<std::int32_t>(csv.number(r, input)));
    t.output.push_back(static_cast<std::int32_t>(csv.number(r, output)));
  }
  read_prefixes(data / "llmservingsim" / ("prefix_blocks_" + run.tag + ".csv"), t);
  // With data parallelism a rank has the tables of the whole model.
  const LayerTables tables(data / "llmservingsim_profiles", run.hardware, run.model,
                           run.timing.tensor);
  const MeasuredTimer timer(tables, run.timing);
  ServingSystem system;
  system.engines = {run.scheduler, &timer, 1};
  const auto begin = std::chrono::steady_clock::now();
  const Outcome o = simulate(system, t);
  RunComparison c;
  c.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  c.counters = o.counters;
  const std::size_t ttft = csv.column(client ? "ttft_from_arrival_ms" : "ttft_from_queued_ms");
  const std::size_t e2e = csv.column(client ? "e2e_from_arrival_ms" : "e2e_from_queued_ms");
  const std::size_t tpot = csv.column("tpot_ms");
  const auto n = static_cast<double>(csv.rows());
  for (std::size_t r = 0; r < csv.rows(); ++r) {
    const double after_first = std::max(1, t.output[r] - 1);
    const double total = to_seconds(o.last[r] - t.arrival[r]);
    c.ttft.measured += csv.number(r, ttft) / 1e3 / n;
    c.ttft.simulated += to_seconds(o.first[r] - t.arrival[r]) / n;
    c.tpot.measured += csv.number(r, tpot) / 1e3 / n;
    c.tpot.simulated += to_seconds(o.last[r] - o.first[r]) / after_first / n;
    c.end_to_end.measured += csv.number(r, e2e) / 1e3 / n;
    c.end_to_end.simulated += total / n;
    c.end_to_end_mape += std::abs(total / (csv.number(r, e2e) / 1e3) - 1) / n;
  }
  return c;
}

}  // namespace tollgate
