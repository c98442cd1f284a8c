#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "sim/serving/engine/engine_scheduler.h"
#include "sim/serving/engine/simulate.h"
#include "sim/spec/library.h"
#include "tests/serving/test_timer.h"

namespace tollgate {
namespace {

struct Bench {
  Metronome timer;
  ServingSystem system;
  RequestTable t;

  Bench() {
    system.engines.timer = &timer;
    system.engines.scheduler.blocks = 1000;
    system.engines.scheduler.max_sequences = 64;
    system.engines.scheduler.async = false;
  }
  SchedulerConfig& scheduler() { return system.engines.scheduler; }
  void add(double ms, int input, int output) {
    t.arrival.push_back(static_cast<Ticks>(ms * 1e9));
    t.input.push_back(input);
    t.output.push_back(output);
  }
  static double ms(Ticks at) { return static_cast<double>(at) / 1e9; }
};

/// By hand: one prompt of three chunks, then a token per step.
TEST(scheduler, cuts_a_prompt_to_the_budget) {
  Bench b;
  b.scheduler().batched_tokens = 100;
  b.add(0, 250, 4);
  const Outcome o = simulate(b.system, b.t);
  EXPECT_EQ(Bench::ms(o.first[0]), 3);
  EXPECT_EQ(Bench::ms(o.last[0]), 6);
  EXPECT_EQ(o.counters.steps, 6);
}

/// A request that arrives in the middle of a step is decided on at its end, and with asynchronous
/// scheduling one step later.
TEST(scheduler, async_scheduling_lags_by_one_step) {
  Bench b;
  b.add(0, 10, 100);
  b.add(10.5, 10, 2);
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).first[1]), 12);
  b.scheduler().async = true;
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).first[1]), 13);
}

/// Two sequences of at most 5 blocks on 8: vLLM admits both and throws the second out, TensorRT-LLM
/// admits the second when the first is done.
TEST(scheduler, vllm_preempts_where_trtllm_waits) {
  Bench b;
  b.scheduler().blocks = 8;
  b.add(0, 48, 32);
  b.add(0, 48, 32);
  const Outcome vllm = simulate(b.system, b.t);
  EXPECT_EQ(vllm.counters.preemptions, 1);
  EXPECT_EQ(Bench::ms(vllm.first[1]), 1);
  b.scheduler().policy = SchedulerPolicy::trtllm;
  const Outcome trtllm = simulate(b.system, b.t);
  EXPECT_EQ(trtllm.counters.preemptions, 0);
  EXPECT_EQ(Bench::ms(trtllm.first[1]), 33);
}

/// SGLang stops decoding for a prefill batch: the first request loses the step in which the
/// second's prompt is computed; with mixed chunks it does not.
TEST(scheduler, sglang_prefills_first) {
  Bench b;
  b.scheduler().policy = SchedulerPolicy::sglang;
  b.scheduler().block_tokens = 1;
  b.scheduler().blocks = 10000;
  b.add(0, 10, 20);
  b.add(5, 10, 2);
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).last[0]), 21);
  b.scheduler().mixed_chunk = true;
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).last[0]), 20);
  b.scheduler().policy = SchedulerPolicy::vllm;
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).last[0]), 20);
}

/// Data-parallel attention: a prompt on one rank lengthens the answer on the other by nothing; with
/// drafts both ranks agree on prompts first, and the other one waits.
TEST(scheduler, sglang_ranks_step_together_but_decide_apart) {
  Bench b;
  b.scheduler().policy = SchedulerPolicy::sglang;
  b.scheduler().ranks = 2;
  b.scheduler().rank_router = RankRouter::round_robin;
  b.add(0, 10, 20);
  b.add(5, 10, 2);
  const Outcome apart = simulate(b.system, b.t);
  EXPECT_EQ(Bench::ms(apart.last[0]), 20);
  EXPECT_EQ(Bench::ms(apart.first[1]), 6);
  b.scheduler().draft_tokens = 1;
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).last[0]), 21);
  b.add(30, 10, 20);
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).last[2]), 50);
}

/// Dealt out in turn, both long answers come to the first rank, which runs one at a time; by load
/// the second goes to the rank that is free.
TEST(scheduler, sglang_deals_requests_out_in_turn) {
  Bench b;
  b.scheduler().policy = SchedulerPolicy::sglang;
  b.scheduler().ranks = 2;
  b.scheduler().max_sequences = 1;
  b.add(0, 10, 50);
  b.add(0, 10, 2);
  b.add(10, 10, 50);
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).last[2]), 60);
  b.scheduler().rank_router = RankRouter::round_robin;
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).last[2]), 100);
}

/// TensorRT-LLM counts a waiting request as one that runs: new ones go to the rank where others
/// ended, and balance has to wait for a prompt on the other rank. (vLLM, which counts it four
/// times, would send the second there.)
TEST(scheduler, tensorrt_llm_fills_ranks_up_evenly) {
  Bench b;
  b.scheduler().policy = SchedulerPolicy::trtllm;
  b.scheduler().ranks = 2;
  b.scheduler().balance_steps = 1000;
  for (int i = 0; i < 6; ++i) b.add(0, 10, i == 3 || i == 5 ? 10 : 200);  // ranks 0 and 1 in turn
  b.add(20, 10, 2);
  b.add(21, 10, 2);
  b.add(30, 10, 2);
  const Outcome o = simulate(b.system, b.t);
  EXPECT_EQ(Bench::ms(o.first[8]), 31);
  EXPECT_EQ(Bench::ms(o.first[7]), 31) << "waited for a prompt on rank 0";
  EXPECT_EQ(Bench::ms(o.first[6]), 31);
}

/// Disaggregated by hand, a prompt of one step, 2 ms on the link and four more tokens: SGLang sends
/// the first token along, vLLM computes the last prompt token again.
TEST(scheduler, sglang_sends_the_first_token_along) {
  Bench b;
  b.system.decode = b.system.engines;
  b.system.link.latency = 2 * Metronome::beat;
  b.add(0, 10, 5);
  const Outcome vllm = simulate(b.system, b.t);
  EXPECT_NEAR(Bench::ms(vllm.first[0]), 4, 1e-6);
  EXPECT_NEAR(Bench::ms(vllm.last[0]), 8, 1e-6);
  b.scheduler().policy = b.system.decode->scheduler.policy = SchedulerPolicy::sglang;
  const Outcome sglang = simulate(b.system, b.t);
  EXPECT_NEAR(Bench::ms(sglang.first[0]), 3, 1e-6);
  EXPECT_NEAR(Bench::ms(sglang.last[0]), 7, 1e-6);
}

/// 1,100 tokens of cache have room for one request of 50 and two times 512 tokens kept for
/// decoding, not for another 50; the prompt of the second is not computed before the first has
/// ended. With less kept both prompts are computed together, and the second misses the first decode
/// step.
TEST(scheduler, sglang_keeps_room_for_decoding) {
  Bench b;
  b.scheduler().policy = SchedulerPolicy::sglang;
  b.scheduler().block_tokens = 1;
  b.system.decode = b.system.engines;
  b.system.decode->scheduler.blocks = 1100;
  b.add(0, 50, 101);
  b.add(0, 50, 101);
  EXPECT_NEAR(Bench::ms(simulate(b.system, b.t).first[1]), 102, 1e-6);
  b.system.decode->scheduler.reserved_decode_tokens = 64;
  EXPECT_NEAR(Bench::ms(simulate(b.system, b.t).first[1]), 2, 1e-6);
}

/// A turn of a conversation finds the blocks of the turn before, prompt and answer: (100 + 60 - 1)
/// / 16.
TEST(scheduler, conversations_find_their_last_turn) {
  Bench b;
  b.add(0, 100, 60);
  b.add(1000, 300, 10);
  b.t.stream = {0, 0};
  b.t.shared = {160, 310};
  EXPECT_EQ(simulate(b.system, b.t).counters.cached_tokens, 9 * 16);
  b.scheduler().prefix_cache = false;
  EXPECT_EQ(simulate(b.system, b.t).counters.cached_tokens, 0);
}

/// A stated hit rate is what is found, of a prompt all but the last token, and takes the room that
/// the tokens would take: 10 blocks hold one request of 100 + 60, not two.
TEST(scheduler, stated_hits_are_found_and_take_room) {
  Bench b;
  b.add(0, 100, 60);
  b.add(0, 100, 60);
  b.t.cached = {50, 100};
  b.scheduler().batched_tokens = 64;
  const Outcome o = simulate(b.system, b.t);
  EXPECT_EQ(o.counters.cached_tokens, 50 + 99);
  EXPECT_EQ(Bench::ms(o.first[1]), 1);
  b.scheduler().policy = SchedulerPolicy::trtllm;
  b.scheduler().blocks = 10;
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).first[1]), 61);
  b.t.cached = {50, 101};
  EXPECT_THROW(simulate(b.system, b.t), InputError);
}

/// The hit rate follows from the room: many conversations in turn on a cache for two of them hit
/// nothing, on one for all of them everything.
TEST(scheduler, a_cache_forgets_what_was_used_longest_ago) {
  Bench b;
  for (int turn = 0; turn < 2; ++turn) {
    for (int session = 0; session < 10; ++session) {
      b.add(turn * 10000 + session * 100, 320, 2);
      b.t.stream.push_back(session);
      b.t.shared.push_back(320);
    }
  }
  b.scheduler().blocks = 45;
  EXPECT_EQ(simulate(b.system, b.t).counters.cached_tokens, 0);
  b.scheduler().blocks = 400;
  EXPECT_EQ(simulate(b.system, b.t).counters.cached_tokens, 10 * 19 * 16);
}

/// Ten conversations of 20 blocks in turn on a device for two of them: the second turns find
/// nothing there, but in the host's memory all that fits, the blocks evicted last. Loading 304
/// tokens at 10 us each lasts 3.04 ms, longer than the step of 1 ms beside it.
TEST(scheduler, the_host_keeps_what_the_device_evicts) {
  Bench b;
  for (int turn = 0; turn < 2; ++turn) {
    for (int session = 0; session < 10; ++session) {
      b.add(turn * 10000 + session * 100, 320, 2);
      b.t.stream.push_back(session);
      b.t.shared.push_back(320);
    }
  }
  b.scheduler().blocks = 45;
  b.scheduler().load_per_token = 10'000'000;
  EXPECT_EQ(simulate(b.system, b.t).counters.cached_tokens, 0);
  b.scheduler().host_blocks = 1000;
  const Outcome all = simulate(b.system, b.t);
  EXPECT_EQ(all.counters.loaded_tokens, 10 * 19 * 16);
  EXPECT_EQ(all.counters.cached_tokens, all.counters.loaded_tokens);
  EXPECT_EQ(Bench::ms(all.first[0]), 1);
  EXPECT_NEAR(Bench::ms(all.first[10]) - 10000, 3.04, 1e-9);
  b.scheduler().host_blocks = 50;
  EXPECT_EQ(simulate(b.system, b.t).counters.loaded_tokens, 0);  // gone before its turn comes
  b.scheduler().load_per_token = 0;
  b.scheduler().host_blocks = 1000;
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).first[10]), 10001);
}

/// Prefill in 1 ms, the hand-over, 5 ms to send 1000 tokens, the last token again in 1 ms.
TEST(scheduler, disaggregation_sends_the_cache) {
  Bench b;
  b.system.decode = b.system.engines;
  b.system.link = {2 * Metronome::beat, 3 * Metronome::beat / 1000};
  b.add(0, 1000, 3);
  const Outcome o = simulate(b.system, b.t);
  EXPECT_NEAR(Bench::ms(o.first[0]), 1 + 5 + 1, 1e-6);
  EXPECT_NEAR(Bench::ms(o.last[0]), 9, 1e-6);
}

/// Two prompts at once over one link: the second is sent after the first.
TEST(scheduler, transfers_share_the_link) {
  Bench b;
  b.system.decode = b.system.engines;
  b.system.link = {0, Metronome::beat / 100};
  b.add(0, 1000, 2);
  b.add(0, 1000, 2);
  const Outcome o = simulate(b.system, b.t);
  EXPECT_NEAR(Bench::ms(o.first[0]), 1 + 10 + 1, 1e-6);
  EXPECT_NEAR(Bench::ms(o.first[1]), 1 + 20 + 1, 1);
}

/// The same between engines of two ranks, whose accelerators have links of their own; three prompts
/// take the time of two.
TEST(scheduler, ranks_have_links_of_their_own) {
  Bench b;
  b.scheduler().ranks = 2;
  b.system.decode = b.system.engines;
  b.system.link = {0, Metronome::beat / 100};
  for (int i = 0; i < 3; ++i) b.add(0, 1000, 2);
  const Outcome o = simulate(b.system, b.t);
  EXPECT_NEAR(Bench::ms(o.first[0]), 1 + 10 + 1, 1);
  EXPECT_NEAR(Bench::ms(o.first[1]), 1 + 10 + 1, 1);
  EXPECT_NEAR(Bench::ms(o.first[2]), 1 + 20 + 1, 1);
}

TEST(scheduler, the_most_urgent_is_admitted_first) {
  Bench b;
  b.scheduler().max_sequences = 1;
  b.scheduler().by_priority = true;
  b.add(0, 10, 10);
  b.add(1, 10, 10);
  b.add(2, 10, 10);
  b.t.priority = {0, 5, 1};
  const Outcome o = simulate(b.system, b.t);
  EXPECT_LT(o.first[2], o.first[1]);
}

/// Two sequences of at most 5 blocks on 8: the less urgent one is thrown out, though admitted
/// first.
TEST(scheduler, the_least_urgent_is_thrown_out) {
  Bench b;
  b.scheduler().blocks = 8;
  b.add(0, 48, 32);
  b.add(0, 48, 32);
  b.t.priority = {1, 0};
  const Outcome by_order = simulate(b.system, b.t);
  EXPECT_LT(by_order.last[0], by_order.last[1]);
  b.scheduler().by_priority = true;
  const Outcome by_priority = simulate(b.system, b.t);
  EXPECT_EQ(by_priority.counters.preemptions, 1);
  EXPECT_LT(by_priority.last[1], by_priority.last[0]);
}

TEST(scheduler, speculation_emits_its_mean) {
  Bench b;
  b.scheduler().draft_tokens = 3;
  b.scheduler().tokens_per_step = 2.5;
  b.add(0, 10, 1001);
  EXPECT_EQ(Bench::ms(simulate(b.system, b.t).last[0]), 1 + 400);
}

TEST(scheduler, comes_from_the_engine_and_the_device) {
  Library library(TOLLGATE_REPOSITORY "/models");
  constexpr double gib = 1024.0 * 1024 * 1024;
  const SchedulerConfig h100 = scheduler_for(library.engine("vllm", {}), 80 * gib);
  EXPECT_EQ(h100.policy, SchedulerPolicy::vllm);
  EXPECT_EQ(h100.batched_tokens, 8192);
  EXPECT_EQ(h100.max_sequences, 1024);
  EXPECT_EQ(scheduler_for(library.engine("vllm", {}), 48 * gib).batched_tokens, 2048);
  const SchedulerConfig sglang = scheduler_for(library.engine("sglang", {}), 48 * gib);
  EXPECT_EQ(sglang.policy, SchedulerPolicy::sglang);
  EXPECT_EQ(sglang.chunk, 4096);
  EXPECT_EQ(sglang.block_tokens, 1);
  const SchedulerConfig parallel = scheduler_for(library.engine("sglang", {}), 48 * gib, 4);
  EXPECT_EQ(parallel.chunk, sglang.chunk / 4);
  EXPECT_DOUBLE_EQ(parallel.conservativeness, 0.3);
  EXPECT_EQ(parallel.rank_router, RankRouter::round_robin);
  EXPECT_EQ(scheduler_for(library.engine("trtllm", {}), 80 * gib).policy, SchedulerPolicy::trtllm);
}

}  // namespace
}  // namespace tollgate
