#pragma once

#include "sim/study/run_result.h"

namespace tollgate::sample {

inline Estimate band(double value, Provenance provenance = Provenance::fitted) {
  return {value, value * 0.8, value * 1.25, provenance};
}

/// A candidate that runs, with every field set.
inline CandidateResult running(const std::string& name, double usd, bool mixture) {
  CandidateResult c;
  c.name = name;
  c.model = name;
  c.hardware = "H200-SXM";
  c.fits = c.meets_slo = true;
  c.reason = "one more sequence would miss the TPOT target.";
  c.limited_by = "tpot";
  c.gpus = 8;
  c.expert = mixture ? 8 : 1;
  c.data_attention = mixture ? 8 : 1;
  c.tensor = mixture ? 1 : 8;
  c.precision = "fp8 weights, bf16 KV";
  c.memory = {exactly(136e9),
              exactly(88e9),
              exactly(30e9),
              exactly(0),
              band(2e9, Provenance::assumed),
              band(3.9e9, Provenance::assumed),
              exactly(12.1e9)};
  c.largest_batch = exactly(700);
  c.batch = band(512);
  c.input_tokens_per_second_per_gpu = band(8000);
  c.output_tokens_per_second_per_gpu = band(2000);
  c.requests_per_second = band(16);
  c.ttft = band(0.4);
  c.tpot = band(0.048);
  c.end_to_end = band(12);
  c.prefill_bound = {"compute", 0.7, 0.1, 0.1, 0.06, 0.04};
  c.decode_bound = {"hbm", 0.1, 0.6, 0.2, 0.06, 0.04};
  c.operators = {{"prefill", "experts", 0.02, "compute", Provenance::fitted},
                 {"decode", "experts", 0.03, "hbm", Provenance::fitted},
                 {"decode", "attention", 0.01, "hbm", Provenance::fitted}};
  c.mixture = mixture;
  if (mixture) c.routing = {{"moe", 256, 8, 8, 512, 1.21, 255.8, 5.3, 1.35}};
  c.gpu_hours_per_million_output_tokens = band(usd / 2);
  c.usd_per_million_output_tokens = band(usd);
  c.usd_per_million_tokens = band(usd / 5);
  c.price = {"H200-SXM", "rent-3yr", 2, "2026-10", "a price list", {}};
  c.usd_per_hour = 16;
  c.total_parameters = 671e9;
  c.active_parameters = mixture ? 37e9 : 671e9;
  c.kv_bytes_per_token = 70272;
  c.assumptions = {"Everything is assumed."};
  return c;
}

inline PhaseRouting phase(double tokens) {
  PhaseRouting p;
  p.tokens = tokens;
  p.busiest_mean = 1.21;
  p.busiest_p50 = 1.2;
  p.busiest_p95 = 1.4;
  p.busiest_max = 1.6;
  p.weights_read = 32;
  p.ranks_per_token = 5.3;
  p.nodes_per_token = 2;
  p.network = {20e6, 19e6, 23e6, 25e6};
  return p;
}

inline CandidateResult misfit(const std::string& name) {
  CandidateResult c;
  c.name = c.model = name;
  c.hardware = "L4";
  c.reason = "weights need 88 GB per GPU, of 22 GB usable.";
  c.limited_by = "memory";
  c.mixture = true;
  c.total_parameters = 88e9;
  c.active_parameters = 12e9;
  c.gpus = 8;
  c.memory.capacity = exactly(22e9);
  c.memory.weights = exactly(88e9);
  c.price = {"L4", "on-demand", 0.8, "2026-09", "a price list", {}};
  return c;
}

/// Scenario order is not cost order: dense, one that does not fit, mixture.
inline RunResult result() {
  RunResult r;
  r.scenario = "sample";
  r.question = "Which is cheaper?";
  r.inputs_digest = "0123456789abcdef0123456789abcdef";
  RequestClass chat;
  chat.name = "chat";
  chat.input.tokens = 1000;
  chat.output.tokens = 250;
  r.workload = {chat};
  r.slo = {2, 0.05, {}};
  r.mean_input = 1000;
  r.mean_output = 250;
  r.candidates = {running("Dense-405B", 1.5, false), misfit("Big"),
                  running("Sparse-671B", 0.5, true)};
  r.cheapest = 2;
  return r;
}

}  // namespace tollgate::sample
