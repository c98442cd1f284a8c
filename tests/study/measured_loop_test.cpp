#include "sim/study/measured_loop.h"

#include <gtest/gtest.h>

#include "sim/serving/engine/engine_scheduler.h"
#include "sim/spec/library.h"

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
    loop.table = &table;
    loop.engine = &engine;
    loop.hardware = &hardware;
    loop.deployment = with_engine_defaults({}, engine, hardware);
    loop.blocks = 100000;
    loop.request.input.tokens = 1000;
    loop.request.output.tokens = 200;
  }
};

/// Alone, a request waits for its own prompt and then for its own steps.
TEST(MeasuredLoop, OneUserSeesTheStepTimes) {
  Client c;
  const MeasuredTimes t = simulate_loop(c.loop, 1);
  StepLoad prompt;
  prompt.prefill_tokens = 1000;
  prompt.prefill_context = 500;
  prompt.prompts_finished = 1;
  StepLoad decode;
  decode.decode_sequences = 1;
  decode.decode_context = 1100;
  EXPECT_NEAR(t.ttft / (c.engine.host_per_request + c.step.seconds(prompt)), 1, 0.05);
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
  c.loop.blocks = 16 * 80;  // cache for some 17 of them
  const MeasuredTimes scarce = simulate_loop(c.loop, 1);
  EXPECT_GT(scarce.ttft, 5 * many.ttft);
  EXPECT_LT(scarce.tpot, many.tpot);
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
