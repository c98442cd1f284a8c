#include "sim/study/measured_loop.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sim/serving/engine/engine_scheduler.h"
#include "sim/serving/engine/step_table.h"
#include "sim/spec/library.h"
#include "sim/timing/step_model.h"

namespace tollgate {
namespace {

struct Client {
  Library library{TOLLGATE_REPOSITORY "/models"};
  LlmSpec model = library.model("Llama-3.1-8B", {});
  HardwareSpec hardware = library.hardware("H100-SXM", {});
  EngineSpec engine = library.engine("vllm", {});
  EngineCurves curves{std::make_shared<CurveFiles>(library), hardware, engine};
  StepModel step;
  StepTable table;
  MeasuredLoop loop;

  static EngineSpec plain(EngineSpec e) {
    e.graphs.clear();
    return e;
  }
  static StepTableRange range(const EngineSpec& engine) {
    StepTableRange r;
    r.graphs = engine.graphs;
    r.context = 16384;
    return r;
  }
  Client()
      : step(model, curves, {1, 1, 1, 1}, model.precision, DeploymentSpec{}, plain(engine),
             RoutingTables(model.ffns.size())),
        table(step, range(engine)) {
    loop.system.engines.scheduler = scheduler_for(engine, hardware.memory);
    loop.system.engines.scheduler.prefix_cache = false;
    loop.system.engines.scheduler.blocks = 100000;
    loop.system.engines.timer = &table;
    loop.ingest = engine.host_per_request;
    loop.request.input.tokens = 1000;
    loop.request.output.tokens = 200;
  }
};

/// Alone, a request waits for its own prompt and then for its own steps.
TEST(MeasuredLoop, OneUserSeesTheStepTimes) {
  Client c;
  c.loop.ingest = 0.028;
  const MeasuredTimes t = simulate_loop(c.loop, 1);
  StepLoad prompt;
  prompt.prefill_tokens = 1000;
  prompt.prefill_context = 500;
  prompt.prompts_finished = 1;
  StepLoad decode;
  decode.decode_sequences = 1;
  decode.decode_context = 1100;
  double ingest = 0;
  for (const Ticks wait : ingest_times(c.loop.ingest, requests_per_user, 1))
    ingest += to_seconds(wait) / requests_per_user;
  EXPECT_NEAR(t.ttft / (ingest + c.step.seconds(prompt)), 1, 0.05);
  EXPECT_NEAR(t.duration / (requests_per_user * (t.ttft + 199 * t.tpot)), 1, 1e-3);
  EXPECT_NEAR(t.tpot / c.step.seconds(decode), 1, 0.02);
}

TEST(MeasuredLoop, MoreUsersWaitLongerAndScarceCacheLongest) {
  Client c;
  c.loop.request.output.kind = LengthKind::uniform;
  c.loop.request.output.low = 160;
  c.loop.request.output.high = 200;
  c.loop.users = 8;
  const MeasuredTimes few = simulate_loop(c.loop, 1);
  c.loop.users = 128;
  const MeasuredTimes many = simulate_loop(c.loop, 1);
  EXPECT_LT(few.ttft, many.ttft);
  EXPECT_LT(few.tpot, many.tpot);
  c.loop.system.engines.scheduler.blocks = 16 * 80;  // cache for some 17 of them
  const MeasuredTimes scarce = simulate_loop(c.loop, 1);
  EXPECT_GT(scarce.ttft, 5 * many.ttft);
  EXPECT_LT(scarce.tpot, many.tpot);
}

/// 20,000 draws: mean and standard deviation of an exponential distribution within four sigma.
TEST(MeasuredLoop, IngestIsExponential) {
  const std::size_t n = 20000;
  double sum = 0, squares = 0;
  for (const Ticks wait : ingest_times(0.03, n, 7)) {
    const double t = to_seconds(wait) / 0.03;
    ASSERT_GE(t, 0);
    sum += t;
    squares += t * t;
  }
  const double mean = sum / n, sd = std::sqrt(squares / n - mean * mean);
  EXPECT_NEAR(mean, 1, 4 / std::sqrt(n));
  EXPECT_NEAR(sd, 1, 4 * std::sqrt(2.0 / n));
  EXPECT_NE(ingest_times(0.03, 4, 1), ingest_times(0.03, 4, 2));
}

/// Equal answers whose prompts go before decoding (SGLang) begin and end together for ever, so that
/// a first token waits for many prompts; mixed into decode steps they drift apart.
TEST(MeasuredLoop, PromptsBeforeDecodingKeepEqualAnswersInStep) {
  Client c;
  c.loop.users = 64;
  SchedulerConfig& scheduler = c.loop.system.engines.scheduler;
  scheduler.policy = SchedulerPolicy::sglang;
  scheduler.block_tokens = 1;
  scheduler.blocks = 1000000;
  const MeasuredTimes apart = simulate_loop(c.loop, 1);
  scheduler.mixed_chunk = true;
  const MeasuredTimes mixed = simulate_loop(c.loop, 1);
  EXPECT_GT(apart.ttft, 1.3 * mixed.ttft);
  EXPECT_LT(apart.tpot, mixed.tpot);
}

/// A process that reads prompts slower than the engine answers them sets the pace: of n requests
/// in flight the last waits for all readings before it.
TEST(MeasuredLoop, ReadingPromptsOneByOneBoundsTheRate) {
  Client c;
  c.loop.users = 64;
  c.loop.request.output.tokens = 2;
  const MeasuredTimes quick = simulate_loop(c.loop, 1);
  c.loop.reading = 0.5;
  const MeasuredTimes slow = simulate_loop(c.loop, 1);
  EXPECT_LT(quick.duration, 0.5 * slow.duration);
  EXPECT_NEAR(slow.duration / (640 * 0.5), 1, 0.01);
  EXPECT_NEAR(slow.ttft / (0.5 * 64), 1, 0.1);
}

/// Requests that all come at once are computed in one wave: a batch job that fills and drains, so
/// that its rate is below that of the same loop kept full.
TEST(MeasuredLoop, AStatedNumberOfRequestsFillsAndDrains) {
  Client c;
  c.loop.users = 32;
  const auto rate = [&] {
    const MeasuredTimes t = simulate_loop(c.loop, 1);
    return t.output_tokens / t.duration;
  };
  const double full = rate();
  c.loop.requests = 32;
  const double once = rate();
  EXPECT_DOUBLE_EQ(simulate_loop(c.loop, 1).output_tokens, 32 * 200);
  EXPECT_LT(once, full);
  EXPECT_GT(once, 0.3 * full);
}

/// A client that sends the same few prompts again and again finds them in the prefix cache, as long
/// as they fit: but for the first of each, prompts cost what one block costs, so that a run takes
/// what its decode steps take.
TEST(MeasuredLoop, FewPromptsAreFoundInTheCacheWhereTheyFit) {
  Client c;
  c.loop.users = 16;
  c.loop.requests = 800;
  c.loop.request.input.tokens = 8000;
  SchedulerConfig& scheduler = c.loop.system.engines.scheduler;
  const MeasuredTimes fresh = simulate_loop(c.loop, 1);
  c.loop.distinct_prompts = 100;
  const MeasuredTimes without = simulate_loop(c.loop, 1);
  EXPECT_EQ(without.duration, fresh.duration) << "no cache, nothing to find";
  scheduler.prefix_cache = true;
  const MeasuredTimes found = simulate_loop(c.loop, 1);
  c.loop.requests = 100;
  c.loop.distinct_prompts = 0;
  const double first = simulate_loop(c.loop, 1).duration;  // of each prompt, computed whole
  StepLoad decode;
  decode.decode_sequences = 16;
  decode.decode_context = 8100;
  const double decoding = 800 / 16 * 200 * c.step.seconds(decode);
  EXPECT_LT(found.duration, 1.15 * (decoding + first));
  EXPECT_GT(found.duration, decoding);
  EXPECT_LT(found.duration, 0.6 * fresh.duration);
  // A cache of the running requests and a tenth of the prompts.
  c.loop.requests = 800;
  c.loop.distinct_prompts = 100;
  scheduler.blocks = (16 * 8200 + 10 * 8000) / scheduler.block_tokens;
  const MeasuredTimes scarce = simulate_loop(c.loop, 1);
  EXPECT_GT(scarce.duration, 0.7 * fresh.duration);
  EXPECT_LT(scarce.duration, fresh.duration);
}

TEST(MeasuredLoop, SameSeedSameTimes) {
  Client c;
  c.loop.users = 16;
  c.loop.request.output.kind = LengthKind::uniform;
  c.loop.request.output.low = 100;
  c.loop.request.output.high = 200;
  EXPECT_EQ(simulate_loop(c.loop, 1).tpot, simulate_loop(c.loop, 1).tpot);
  EXPECT_NE(simulate_loop(c.loop, 1).tpot, simulate_loop(c.loop, 2).tpot);
}

}  // namespace
}  // namespace tollgate
