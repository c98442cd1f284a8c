#include "sim/serving/steady_state.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sim/placement/memory_plan.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

RequestClass fixed(double input, double output, double hit = 0) {
  RequestClass r;
  r.name = "fixed";
  r.input.tokens = input;
  r.output.tokens = output;
  r.prefix_hit_rate = hit;
  return r;
}

StepModel llama(int tensor = 8, int pipeline = 1) {
  static Library library(TOLLGATE_REPOSITORY "/models");
  static const LlmSpec model = library.model("Llama-3.1-70B", {});
  static const HardwareSpec hardware = library.hardware("H200-SXM", {});
  static const EngineSpec engine = library.engine("vllm", {});
  static const EngineCurves curves(std::make_shared<CurveFiles>(library), hardware, engine);
  return StepModel(model, curves, {tensor, pipeline, 1, 1}, model.precision, DeploymentSpec{},
                   engine, RoutingTables(model.ffns.size()));
}

TEST(workload_mix, moments_of_fixed_lengths_are_exact) {
  const WorkloadMix mix = summarise({fixed(1000, 200, 0.4)});
  EXPECT_DOUBLE_EQ(mix.input, 1000);
  EXPECT_DOUBLE_EQ(mix.cached, 400);
  EXPECT_DOUBLE_EQ(mix.uncached, 600);
  EXPECT_DOUBLE_EQ(mix.decoded, 199);
  EXPECT_DOUBLE_EQ(mix.decode_context, 1000 + 100);
  EXPECT_DOUBLE_EQ(mix.prefill_context,
                   400 + 300);  // a computed token sees the cached ones and half its own
  EXPECT_NEAR(mix.uncached_scv, 0, 1e-12);
}

TEST(workload_mix, weights_are_shares_of_requests) {
  RequestClass a = fixed(100, 10), b = fixed(1000, 100);
  a.weight = 3;
  b.weight = 1;
  const WorkloadMix mix = summarise({a, b});
  EXPECT_DOUBLE_EQ(mix.input, 325);
  EXPECT_DOUBLE_EQ(mix.output, 32.5);
  // Steps see long answers more often: 3/4 x 10 x 105 + 1/4 x 100 x 1050 over 32.5.
  EXPECT_DOUBLE_EQ(mix.decode_context, (0.75 * 10 * 105 + 0.25 * 100 * 1050) / 32.5);
}

TEST(workload_mix, a_fully_cached_prompt_still_computes_its_last_token) {
  const WorkloadMix mix = summarise({fixed(1000, 10, 1)});
  EXPECT_DOUBLE_EQ(mix.uncached, 1);
  EXPECT_DOUBLE_EQ(mix.cached, 999);
}

LengthSpec lognormal(double mean, double sigma) {
  LengthSpec length;
  length.kind = LengthKind::lognormal;
  length.mean = mean;
  length.sigma = sigma;
  return length;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

TEST(length, bins_have_the_exact_mean_and_approach_the_second_moment) {
  const auto bins = lognormal(1000, 0.8).bins(64, 1e9);
  EXPECT_NEAR(mean_of(bins), 1000, 1e-6);
  double squares = 0;
  for (const double v : bins) squares += v * v / 64;
  EXPECT_NEAR(squares / (1e6 * std::exp(0.64)), 1, 0.03);  // E[x^2] = mean^2 exp(sigma^2)
  LengthSpec quantiles;
  quantiles.kind = LengthKind::quantiles;
  quantiles.quantiles = {100, 250, 1000};
  EXPECT_NEAR(mean_of(quantiles.bins(7, 1e9)), quantiles.average(), 1e-9);
  EXPECT_NEAR(quantiles.average(), (175 + 625) / 2.0, 1e-9);
}

TEST(length, what_does_not_fit_the_context_is_cut_and_counted) {
  RequestClass r = fixed(0, 100);
  r.input = lognormal(20000, 1.5);
  const WorkloadMix whole = summarise({r}), cut = summarise({r}, 32768);
  EXPECT_NEAR(whole.cut_share, 0, 1e-9);
  EXPECT_GT(cut.cut_share, 0.2);
  EXPECT_LT(cut.input, 20000);
  EXPECT_LT(cut.prefill_context, 32768);
}

TEST(workload_mix, a_window_sees_less_than_its_width_when_some_contexts_are_shorter) {
  RequestClass r = fixed(0, 10);
  r.input = lognormal(2000, 1.2);
  const WorkloadMix mix = summarise({r});
  double seen = 0;
  for (const auto& p : mix.contexts.decode) seen += p.share * std::min(p.context, 2048.0);
  EXPECT_LT(seen, 0.75 * std::min(mix.decode_context, 2048.0));
}

TEST(steady_state, one_request_alone_waits_for_nobody) {
  const StepModel model = llama();
  const WorkloadMix mix = summarise({fixed(1024, 256)});
  const SteadyState s = solve_steady_state(model, mix, {}, 1);
  StepLoad prompt, token;
  prompt.prefill_tokens = 1024;
  prompt.prefill_context = 512;
  prompt.prompts_finished = 1;
  token.decode_sequences = s.decoding;
  token.decode_context = mix.decode_context;
  // Nobody decodes beside its prompt. Its own prompt does not slow its decoding, and no other step
  // is under way when it comes.
  EXPECT_NEAR(s.tpot, model.seconds(token), 1e-9 * s.tpot);
  EXPECT_NEAR(s.ttft, model.seconds(prompt), 1e-6 * s.ttft);
}

// A prompt that fills the engine's largest graph runs in it, and the next token more is one too
// many.
TEST(steady_state, a_lone_prompt_of_the_graphs_size_does_not_wait_for_launches) {
  const StepModel model = llama();
  const auto ttft = [&](double tokens) {
    return solve_steady_state(model, summarise({fixed(tokens, 256)}), {}, 1).ttft;
  };
  EXPECT_NEAR(ttft(512) / ttft(511), 1, 0.01);
  EXPECT_GT(ttft(513), 1.2 * ttft(512));
}

// Little's law and token conservation hold exactly at every population.
TEST(steady_state, requests_in_flight_are_throughput_times_time) {
  const StepModel model = llama();
  for (const auto& r : {fixed(1024, 256), fixed(8000, 100), fixed(200, 2000, 0.5)}) {
    const WorkloadMix mix = summarise({r});
    for (const double n : {1.0, 7.0, 64.0, 300.0}) {
      const SteadyState s = solve_steady_state(model, mix, {}, n);
      EXPECT_NEAR(s.requests_per_second * s.end_to_end, n, 1e-9 * n);
      EXPECT_NEAR(s.requests_per_second * mix.decoded * s.tpot, s.decoding, 1e-4 * n) << n;
      EXPECT_LE(s.decoding, n);
      EXPECT_GE(s.chunk, 1);
      EXPECT_LE(s.chunk + s.decoding, 8192 * 1.02);
    }
  }
}

TEST(steady_state, throughput_and_latency_rise_with_the_requests_in_flight) {
  const StepModel model = llama();
  for (const auto& r : {fixed(1024, 256), fixed(8000, 100), fixed(200, 2000)}) {
    const WorkloadMix mix = summarise({r});
    SteadyState previous = solve_steady_state(model, mix, {}, 1);
    for (double n = 2; n < 600; n *= 1.3) {
      const SteadyState s = solve_steady_state(model, mix, {}, n);
      EXPECT_GE(s.requests_per_second, previous.requests_per_second * 0.995) << n;
      EXPECT_GE(s.tpot, previous.tpot * 0.995) << n;
      EXPECT_GE(s.ttft, previous.ttft * 0.995) << n;
      previous = s;
    }
  }
}

// The prefill server bounds what a prompt-heavy load can do: no more prompt tokens per second than
// steps full of them.
TEST(steady_state, a_prompt_heavy_load_saturates_at_the_prefill_rate) {
  const StepModel model = llama();
  const WorkloadMix mix = summarise({fixed(8000, 20)});
  StepLoad full;
  full.prefill_tokens = 8192;
  full.prefill_context = mix.prefill_context;
  full.prompts_finished = 1;
  const double ceiling = 8192 / model.seconds(full);
  const SteadyState s = solve_steady_state(model, mix, {}, 2000);
  EXPECT_LE(s.requests_per_second * mix.uncached, ceiling);
  EXPECT_GE(s.requests_per_second * mix.uncached, 0.9 * ceiling);
}

TEST(steady_state, twice_the_step_time_is_half_the_throughput) {
  const StepModel model = llama();
  const WorkloadMix mix = summarise({fixed(1024, 256)});
  const SteadyState a = solve_steady_state(model, mix, {}, 50),
                    b = solve_steady_state(model, mix, {}, 50, 2);
  EXPECT_NEAR(b.tpot / a.tpot, 2, 1e-3);
  EXPECT_NEAR(b.requests_per_second / a.requests_per_second, 0.5, 1e-3);
}

TEST(steady_state, pipeline_stages_keep_throughput_and_lengthen_the_token_time) {
  const WorkloadMix mix = summarise({fixed(512, 512)});
  const SteadyState flat = solve_steady_state(llama(8, 1), mix, {}, 256);
  const SteadyState deep = solve_steady_state(llama(4, 2), mix, {}, 256);
  EXPECT_GT(deep.requests_per_second, 0.5 * flat.requests_per_second);
  EXPECT_LT(deep.requests_per_second, 2 * flat.requests_per_second);
  EXPECT_NEAR(deep.requests_per_second * deep.end_to_end, 256, 1e-6);
}

TEST(steady_state, cached_prompts_are_cheaper) {
  const StepModel model = llama();
  double previous = 0;
  for (const double hit : {0.0, 0.3, 0.6, 0.9, 1.0}) {
    const SteadyState s = solve_steady_state(model, summarise({fixed(8000, 200, hit)}), {}, 64);
    EXPECT_GT(s.requests_per_second, previous) << hit;
    previous = s.requests_per_second;
  }
}

TEST(steady_state, one_token_answers_need_no_decoding) {
  const SteadyState s = solve_steady_state(llama(), summarise({fixed(1000, 1)}), {}, 16);
  EXPECT_EQ(s.tpot, 0);
  EXPECT_GT(s.requests_per_second, 0);
  EXPECT_TRUE(std::isfinite(s.ttft));
}

}  // namespace
}  // namespace tollgate
