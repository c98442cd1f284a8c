#include "sim/serving/engine/token_gaps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/serving/metronome_bench.h"

namespace tollgate {
namespace {

constexpr Ticks ms = ticks_per_second / 1000;

/// Log-normal gaps over eight orders of magnitude: a quantile is off by less than a bin, 1/64.
TEST(TokenGaps, QuantilesAreThoseOfTheSortedGaps) {
  std::mt19937_64 g(5);
  std::lognormal_distribution<double> draw(0, 2);
  std::vector<double> all;
  GapHistogram h;
  double sum = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto gap = static_cast<Ticks>(draw(g) * 1e10) + 1;
    const std::int64_t count = 1 + static_cast<std::int64_t>(g() % 3);
    h.add(gap, count);
    for (std::int64_t k = 0; k < count; ++k) all.push_back(to_seconds(gap));
    sum += to_seconds(gap) * static_cast<double>(count);
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(h.count(), std::ssize(all));
  EXPECT_NEAR(h.mean(), sum / static_cast<double>(all.size()), 1e-9 * h.mean());
  EXPECT_DOUBLE_EQ(to_seconds(h.longest()), all.back());
  for (const double p : {0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999}) {
    const double exact = all[static_cast<std::size_t>(p * static_cast<double>(all.size()))];
    EXPECT_NEAR(h.quantile(p), exact, exact / 64) << p;
  }
  EXPECT_DOUBLE_EQ(h.quantile(1), all.back());
}

/// 3,000 random runs, with and without drafts, of one step to many, short against a slice and long:
/// in closed form as step by step.
TEST(TokenGaps, ARunIsItsStepsOneByOne) {
  std::mt19937_64 g(11);
  TokenGaps closed, plain;
  Ticks start = 0;
  for (int i = 0; i < 3000; ++i) {
    EmissionClock clock(i % 3 == 0 ? 1 : 1 + static_cast<double>(g() % 3000) / 1000);
    clock.advance(static_cast<std::int64_t>(g() % 1000));
    const auto first = static_cast<Ticks>(1 + g() % (std::uint64_t{1} << (10 + g() % 28)));
    const auto growth = static_cast<Ticks>(g() % static_cast<std::uint64_t>(first));
    const StepRun run{start, {first, growth >> (g() % 30), 1 << 30}, clock};
    const auto steps = static_cast<std::int64_t>(1 + g() % 300);
    const std::int64_t from = std::min<std::int64_t>(steps - 1, g() % 2);
    const auto count = static_cast<std::int64_t>(1 + g() % 1000);
    closed.add(run, from, steps, count);
    for (std::int64_t k = from; k < steps; ++k) plain.add(run.end(k + 1), run.step(k), count);
    start = run.end(steps) + static_cast<Ticks>(g() % 1000);
  }
  EXPECT_TRUE(closed == plain);
}

TEST(TokenGaps, SumsDoNotDependOnTheOrder) {
  std::mt19937_64 g(3);
  TokenGaps parts[3], whole;
  for (int i = 0; i < 500; ++i) {
    const auto end = static_cast<Ticks>(g() % (std::uint64_t{1} << (30 + i % 20)));
    const auto gap = static_cast<Ticks>(1 + g() % (std::uint64_t{1} << (8 + i % 30)));
    parts[i % 3].add(end, gap, 2);
    whole.add(end, gap, 2);
  }
  TokenGaps up = parts[0], down = parts[2];
  (up += parts[1]) += parts[2];
  (down += parts[1]) += parts[0];
  EXPECT_TRUE(up == whole);
  EXPECT_TRUE(down == whole);
}

/// Gaps of 1 ms in the first half of 1,000 s and of 2 ms in the second.
TEST(TokenGaps, APartOfTheRunHasItsOwn) {
  TokenGaps gaps;
  for (int s = 0; s < 1000; ++s) {
    gaps.add(s * ticks_per_second + ms, s < 500 ? ms : 2 * ms, 10);
  }
  const GapHistogram early = gaps.between(0, 450 * ticks_per_second);
  EXPECT_NEAR(static_cast<double>(early.count()), 4500, 200);
  EXPECT_EQ(early.longest(), ms);
  EXPECT_DOUBLE_EQ(gaps.between(550 * ticks_per_second, 1000 * ticks_per_second).mean(), 0.002);
  // Shorter than a slice: those that it touches.
  EXPECT_GT(gaps.between(100 * ms, 101 * ms).count(), 0);
}

struct Bench : MetronomeBench {
  using MetronomeBench::MetronomeBench;
  GapHistogram gaps() const { return simulate(system, t).gaps.between(0, latest_end); }
};

/// By hand, a step being 1 ms: vLLM decodes beside the second prompt; SGLang stops for it, which
/// the first answer waits 2 ms for once. The second request's first token is no gap.
TEST(TokenGaps, APromptStallsSglangAndNotVllm) {
  for (const SchedulerPolicy policy : {SchedulerPolicy::vllm, SchedulerPolicy::sglang}) {
    Bench b(policy);
    b.add(0, 10, 21);
    b.add(5.5, 10, 11);
    const GapHistogram h = b.gaps();
    const bool stalls = policy == SchedulerPolicy::sglang;
    EXPECT_EQ(h.count(), 30);
    EXPECT_EQ(h.longest(), (stalls ? 2 : 1) * ms);
    EXPECT_NEAR(h.mean(), (stalls ? 31 : 30) * 0.001 / 30, 1e-15);
  }
}

/// 8 blocks of 16 for two sequences of 48 + 32 tokens: the second is thrown out after 17 tokens and
/// computed again when the first is done. Mean TPOT hides what the longest gap tells.
TEST(TokenGaps, APreemptionIsOneLongGap) {
  Bench b(SchedulerPolicy::vllm);
  b.system.engines.scheduler.blocks = 8;
  b.add(0, 48, 32);
  b.add(0, 48, 32);
  const Outcome o = simulate(b.system, b.t);
  ASSERT_EQ(o.counters.preemptions, 1);
  const GapHistogram h = o.gaps.between(0, latest_end);
  EXPECT_EQ(h.count(), 62);
  const Ticks in_all = o.last[0] - o.first[0] + o.last[1] - o.first[1];
  EXPECT_EQ(h.longest(), in_all - 61 * ms);
  EXPECT_GT(h.longest(), 10 * ms);
}

/// With drafts what a step emits comes at once: 99 tokens after the first at 3 a step are 33 gaps.
TEST(TokenGaps, DraftsComeTogether) {
  Bench b(SchedulerPolicy::vllm);
  b.system.engines.scheduler.draft_tokens = 3;
  b.system.engines.scheduler.tokens_per_step = 3;
  b.add(0, 10, 100);
  const GapHistogram h = b.gaps();
  EXPECT_EQ(h.count(), 33);
  EXPECT_EQ(h.longest(), ms);
}

}  // namespace
}  // namespace tollgate
