#include "sim/serving/engine/summary.h"

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <cmath>
#include <random>

#include "sim/base/error.h"
#include "sim/serving/engine/seed_summary.h"
#include "tests/serving/test_timer.h"

namespace tollgate {
namespace {

RequestTable poisson(std::uint64_t seed, int count, double rate) {
  std::mt19937_64 g(seed);
  RequestTable t;
  double now = 0;
  for (int i = 0; i < count; ++i) {
    now += -std::log((static_cast<double>(g() % 1'000'000) + 0.5) / 1e6) / rate;
    t.arrival.push_back(static_cast<Ticks>(now * 1e12));
    t.input.push_back(static_cast<std::int32_t>(200 + g() % 1000));
    t.output.push_back(static_cast<std::int32_t>(20 + g() % 200));
  }
  return t;
}

struct Served {
  TestTimer timer;
  ServingSystem system;
  Served() {
    system.engines.timer = &timer;
    system.engines.scheduler.blocks = 20000;
    system.engines.scheduler.max_sequences = 64;
  }
};

/// Times that can be reckoned by hand: one request every second, TTFT 0.1 s, then 9 tokens in 0.9
/// s.
TEST(summary, of_a_known_outcome) {
  RequestTable t;
  Outcome o;
  for (int i = 0; i < 101; ++i) {
    const Ticks at = i * ticks_per_second;
    t.arrival.push_back(at);
    t.input.push_back(50);
    t.output.push_back(10);
    o.first.push_back(at + ticks_per_second / 10);
    o.last.push_back(at + ticks_per_second / 10 +
                     (i % 10 == 0 ? 2 : 1) * ticks_per_second * 9 / 10);
    o.gaps.add(o.last.back(), (o.last.back() - o.first.back()) / 9, 9);
  }
  o.counters.end = o.last.back();
  SummaryOptions options;
  options.window = {{20, 80}};
  options.classes = {{"chat", 0.2, 0.15, 0}};
  const ServingSummary s = summarise(t, o, options);
  EXPECT_EQ(s.requests, 61);
  EXPECT_NEAR(s.ttft.mean, 0.1, 1e-12);
  EXPECT_DOUBLE_EQ(s.ttft.p99, 0.1);
  EXPECT_NEAR(s.itl.p50, 0.1, 0.1 / 64);
  EXPECT_NEAR(s.itl.p99, 0.2, 0.2 / 64);
  EXPECT_DOUBLE_EQ(s.itl.max, 0.2);
  EXPECT_DOUBLE_EQ(s.tpot.p50, 0.1);
  EXPECT_DOUBLE_EQ(s.tpot.p95, 0.2);  // 7 of 61 are slow
  EXPECT_DOUBLE_EQ(s.tpot.max, 0.2);
  EXPECT_DOUBLE_EQ(s.classes[0].attained, 54.0 / 61);
  EXPECT_DOUBLE_EQ(s.goodput, 54.0 / 60);
  EXPECT_NEAR(s.output_tokens_per_second, 10, 0.2);
  EXPECT_EQ(s.saturation, Saturation::stable);
}

TEST(summary, tells_stable_backlogged_and_overloaded_apart) {
  Served served;
  const auto verdict = [&](double rate, std::optional<ClosedLoop> closed) {
    served.system.closed_loop = closed;
    const RequestTable t = poisson(3, 6000, rate);
    const ServingSummary s = summarise(t, simulate(served.system, t));
    EXPECT_FALSE(s.reason.empty());
    return s.saturation;
  };
  EXPECT_EQ(verdict(5, {}), Saturation::stable);
  EXPECT_EQ(verdict(200, {}), Saturation::overloaded);
  EXPECT_EQ(verdict(1, ClosedLoop{200, 0}), Saturation::backlogged);
  EXPECT_EQ(verdict(1, ClosedLoop{8, 0}), Saturation::stable);
}

/// Little's law ties counts, which come from the timeline, to times, which come from the requests.
TEST(summary, obeys_littles_law) {
  Served served;
  const RequestTable t = poisson(9, 50000, 20);
  const Outcome o = simulate(served.system, t);
  double in_system = 0, total = 0;
  const auto samples = timeline(t, o, 20001);
  for (const TimelineSample& s : samples) {
    in_system += static_cast<double>(s.waiting + s.decoding) / static_cast<double>(samples.size());
  }
  for (std::size_t i = 0; i < o.last.size(); ++i) total += to_seconds(o.last[i] - t.arrival[i]);
  EXPECT_NEAR(in_system, total / to_seconds(o.counters.end), 0.01 * in_system);
}

/// A warm-up of known length: the first 300 s are empty, then load comes.
TEST(summary, finds_the_end_of_the_warm_up) {
  Served served;
  RequestTable t = poisson(4, 20000, 20);
  for (Ticks& a : t.arrival) a += 300 * ticks_per_second;
  const ServingSummary s = summarise(t, simulate(served.system, t));
  EXPECT_TRUE(s.warm_up_detected);
  EXPECT_GT(s.from, 280);
  EXPECT_LT(s.from, 700);
}

/// 40 groups of 5 seeds: the 95 % interval holds the long-run mean in 90 to 100 % of them (3 sigma
/// of a binomial with 40 trials is 10 %).
TEST(summary, intervals_over_seeds_hold_the_mean) {
  Served served;
  const auto draw = [](std::uint64_t seed) { return poisson(seed, 800, 15); };
  const auto runs = simulate_seeds(served.system, draw, 1, 200);
  std::vector<double> all;
  for (const ServingSummary& s : runs) all.push_back(s.end_to_end.mean);
  const double truth = over_seeds(all).mean;
  int held = 0;
  for (std::size_t g = 0; g < 40; ++g) {
    const SeedInterval i = over_seeds({all.begin() + static_cast<std::ptrdiff_t>(5 * g),
                                       all.begin() + static_cast<std::ptrdiff_t>(5 * g + 5)});
    held += std::abs(i.mean - truth) <= i.half_width;
  }
  EXPECT_GE(held, 34);
}

/// Three runs by hand: t = 4.303 with two degrees of freedom, a standard deviation of 1.
TEST(summary, of_seeds_is_the_mean_over_runs) {
  std::vector<ServingSummary> runs(3);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    runs[i].ttft.p99 = static_cast<double>(i + 1);
    runs[i].classes.push_back({});
    runs[i].classes[0].attained = 0.5;
    runs[i].saturation = i == 0 ? Saturation::stable : Saturation::overloaded;
    runs[i].reason = "run " + std::to_string(i);
  }
  const SeedSummary s = summarise_seeds(runs);
  EXPECT_EQ(s.seeds, 3);
  EXPECT_DOUBLE_EQ(s.ttft.p99.mean, 2);
  EXPECT_NEAR(s.ttft.p99.half_width, 4.303 / std::sqrt(3.0), 1e-12);
  EXPECT_DOUBLE_EQ(s.classes[0].attained.mean, 0.5);
  EXPECT_DOUBLE_EQ(s.classes[0].attained.half_width, 0);
  EXPECT_EQ(s.saturation, Saturation::overloaded);
  EXPECT_EQ(s.reason, "2 of 3 seeds agree; in the first of them run 1");
  EXPECT_THROW(summarise_seeds({}), InputError);
}

/// Several seeds on 1, 2 and 5 threads: the same bits, in the order of the seeds; and more load
/// gives a worse verdict.
TEST(summary, of_seeds_does_not_depend_on_the_number_of_threads) {
  Served served;
  served.system.engines.replicas = 2;
  const auto with = [&](std::size_t threads, double rate) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    return simulate_seeds(
        served.system, [rate](std::uint64_t seed) { return poisson(seed, 3000, rate); }, 11, 6);
  };
  const auto one = with(1, 20);
  for (const std::size_t threads : {2, 5}) {
    const auto many = with(threads, 20);
    ASSERT_EQ(many.size(), one.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      EXPECT_EQ(many[i].ttft.p99, one[i].ttft.p99);
      EXPECT_EQ(many[i].tpot.mean, one[i].tpot.mean);
      EXPECT_EQ(many[i].from, one[i].from);
      EXPECT_EQ(many[i].reason, one[i].reason);
    }
    EXPECT_EQ(summarise_seeds(many).end_to_end.p95.half_width,
              summarise_seeds(one).end_to_end.p95.half_width);
  }
  EXPECT_NE(one[0].ttft.mean, one[1].ttft.mean);
  EXPECT_EQ(summarise_seeds(one).saturation, Saturation::stable);
  EXPECT_EQ(summarise_seeds(with(2, 2000)).saturation, Saturation::overloaded);
}

TEST(simulate, does_not_depend_on_the_number_of_threads) {
  Served served;
  served.system.engines.replicas = 7;
  const RequestTable t = poisson(6, 20000, 200);
  const auto with = [&](std::size_t threads) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    return simulate(served.system, t);
  };
  const Outcome one = with(1), four = with(4);
  EXPECT_EQ(one.first, four.first);
  EXPECT_EQ(one.last, four.last);
  EXPECT_EQ(one.counters.steps, four.counters.steps);
}

void expect_refused(const ServingSystem& system, const RequestTable& t, const std::string& why) {
  try {
    simulate(system, t);
    ADD_FAILURE() << "accepted: " << why;
  } catch (const InputError& e) {
    EXPECT_NE(std::string(e.what()).find(why), std::string::npos) << e.what();
  }
}

TEST(simulate, says_what_cannot_be_served) {
  Served served;
  RequestTable t = poisson(1, 5, 1);
  t.input[3] = 400'000;
  expect_refused(served.system, t, "request 3 needs");
  t.input[3] = 5000;
  served.system.engines.scheduler.context = 4096;
  expect_refused(served.system, t, "the model's context is 4096");
  served.system.engines.scheduler.context = 1 << 20;
  served.system.closed_loop = ClosedLoop{0, 0};
  expect_refused(served.system, t, "at least one user");
  served.system.closed_loop.reset();
  t.output[0] = 0;
  expect_refused(served.system, t, "request 0 generates no token");
  t.output[0] = 1;
  std::swap(t.arrival[0], t.arrival[4]);
  expect_refused(served.system, t, "arrives before the one ahead");
  std::swap(t.arrival[0], t.arrival[4]);
  served.system.engines.scheduler.batched_tokens = 32;
  expect_refused(served.system, t, "exceeds the token budget");
}

/// A step timer that never ends a step is our mistake, not the user's: it is noticed.
TEST(simulate, notices_that_time_stands_still) {
  struct Stopped : TestTimer {
    Ticks step(std::span<const RankBatch>) const override { return 0; }
    DecodeLine decode(std::span<const RankBatch>) const override { return {0, 0, 0}; }
  } stopped;
  ServingSystem system;
  system.engines.timer = &stopped;
  system.engines.scheduler.blocks = 1000;
  EXPECT_THROW(simulate(system, poisson(1, 5, 1)), std::logic_error);
}

}  // namespace
}  // namespace tollgate
