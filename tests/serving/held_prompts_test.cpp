// Rules by which engines let prompts wait although there is room, each against times by hand.
#include <gtest/gtest.h>

#include "tests/serving/metronome_bench.h"

namespace tollgate {
namespace {

struct Bench : MetronomeBench {
  using MetronomeBench::MetronomeBench;
  std::vector<double> firsts() {
    std::vector<double> out;
    for (const Ticks at : simulate(system, t).first) out.push_back(static_cast<double>(at) / 1e9);
    return out;
  }
  using Times = std::vector<double>;
  /// `requests` of one closed loop instead of arrivals.
  void close(const ClosedLoop& loop, int requests, int output) {
    t.input.assign(static_cast<std::size_t>(requests), 10);
    t.output.assign(static_cast<std::size_t>(requests), output);
    system.closed_loop = loop;
  }
};

/// SGLang --scheduler-recv-interval: the second request is seen ten decode steps after the prefill
/// batch of the first, the third after the prefill batch of the second.
TEST(HeldPrompts, SglangLooksForRequestsAtIntervals) {
  Bench b(SchedulerPolicy::sglang);
  b.add(0, 10, 100);
  b.add(3.5, 10, 100);
  b.add(11.5, 10, 100);
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 5, 13}));
  b.scheduler().receive_interval = 10;
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 12, 13}));
}

TEST(HeldPrompts, AnIdleEngineLooksAllTheTime) {
  Bench b(SchedulerPolicy::sglang);
  b.scheduler().receive_interval = 1000;
  b.add(0, 10, 4);
  b.add(50.5, 10, 4);
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 51.5}));
}

/// TensorRT-LLM without chunked prefill: the third prompt fits beside the rest of the second one,
/// but a prompt is not cut.
TEST(HeldPrompts, WholePromptsWaitForAStepWithRoom) {
  Bench b(SchedulerPolicy::trtllm);
  b.scheduler().batched_tokens = 100;
  for (int i = 0; i < 3; ++i) b.add(0, 60, 10);
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 2, 2}));
  b.scheduler().whole_prompts = true;
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 2, 3}));
}

/// batch_wait_timeout_iters and batch_wait_max_tokens_ratio: five steps, or 50 tokens together.
TEST(HeldPrompts, PromptsWaitForOthers) {
  Bench b(SchedulerPolicy::trtllm);
  b.add(0, 10, 100);
  b.add(2.5, 10, 100);
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 4}));
  b.scheduler().wait_steps = 5;
  b.scheduler().wait_tokens = 50;
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 9}));
  b.add(4.5, 60, 100);
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 6, 6}));
}

/// attention_dp_config.enable_balance: both ranks have a prompt, or eight steps have gone by.
TEST(HeldPrompts, RanksWaitUntilEachHasAPrompt) {
  Bench b(SchedulerPolicy::trtllm);
  b.scheduler().ranks = 2;
  b.add(0, 10, 100);
  b.add(0, 10, 100);
  b.add(2.5, 10, 100);
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 1, 4}));
  b.scheduler().balance_steps = 8;
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 1, 9}));
  b.add(4.5, 10, 100);
  EXPECT_EQ(b.firsts(), (Bench::Times{1, 1, 6, 6}));
}

/// A closed loop whose requests need 5, 7, 5, 7, ... ms to reach the engine.
TEST(HeldPrompts, ClosedLoopRequestsReachTheEngineLater) {
  Bench b(SchedulerPolicy::vllm);
  ClosedLoop loop;
  loop.ingest = {5 * Metronome::beat, 7 * Metronome::beat};
  b.close(loop, 3, 2);
  EXPECT_EQ(b.firsts(), (Bench::Times{6, 15, 22}));
}

/// Prompts are read one after the other, 3 ms each, before anything else keeps them.
TEST(HeldPrompts, ClosedLoopRequestsAreReadOneAfterTheOther) {
  Bench b(SchedulerPolicy::vllm);
  ClosedLoop loop;
  loop.users = 2;
  loop.reading = 3 * Metronome::beat;
  loop.ingest = {Metronome::beat};
  b.close(loop, 4, 1);
  // Sent at 0, 0, 5 and 8, read until 3, 6, 9 and 12; one step each.
  EXPECT_EQ(b.firsts(), (Bench::Times{5, 8, 11, 14}));
}

}  // namespace
}  // namespace tollgate
