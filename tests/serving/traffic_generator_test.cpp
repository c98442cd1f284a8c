#include "sim/serving/workload/traffic_generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "request_classes.h"
#include "test_timer.h"

namespace tollgate {
namespace {

TrafficOptions so_many(std::int64_t requests, std::uint64_t seed = 1) {
  TrafficOptions o;
  o.requests = requests;
  o.seed = seed;
  return o;
}

/// 400,000 requests: the share of a class has sigma 0.08 %, a mean of log-normals of sigma 1 has
/// sigma 0.3 % or less.
TEST(traffic_generator, draws_the_mix_that_was_asked_for) {
  const std::vector<RequestClass> classes{
      request_class("a", 3, lognormal(1000, 1), fixed_length(10)),
      request_class("b", 1, fixed_length(50), lognormal(200, 0.8))};
  const GeneratedTraffic t = generate_traffic(classes, at_rate(5), so_many(400'000));
  ASSERT_EQ(t.table.size(), 400'000);
  double count[2] = {0, 0}, input = 0, output = 0;
  for (std::size_t i = 0; i < 400'000; ++i) {
    const auto c = static_cast<std::size_t>(t.class_of[i]);
    ++count[c];
    (c == 0 ? input : output) += c == 0 ? t.table.input[i] : t.table.output[i];
    ASSERT_EQ(c == 0 ? t.table.output[i] : t.table.input[i], c == 0 ? 10 : 50);
  }
  EXPECT_NEAR(count[0] / 400'000, 0.75, 4 * 0.0007);
  EXPECT_NEAR(input / count[0], 1000, 4 * 1000 * std::sqrt(std::exp(1.0) - 1) / std::sqrt(3e5));
  EXPECT_NEAR(output / count[1], 200, 4 * 200 * std::sqrt(std::exp(0.64) - 1) / std::sqrt(1e5));
  EXPECT_TRUE(std::is_sorted(t.table.arrival.begin(), t.table.arrival.end()));
  EXPECT_NEAR(400'000 / to_seconds(t.table.arrival.back()), 5, 4 * 5 / std::sqrt(4e5));
  EXPECT_EQ(t.classes[1].name, "b");
}

TEST(traffic_generator, makes_a_closed_loop) {
  LoadSpec load;
  load.kind = LoadKind::concurrency;
  load.concurrency = 32;
  load.think_time = 1.5;
  const GeneratedTraffic t = generate_traffic(
      {request_class("a", 1, lognormal(500, 1), fixed_length(20))}, load, so_many(1000));
  ASSERT_TRUE(t.closed_loop);
  EXPECT_EQ(t.closed_loop->users, 32);
  EXPECT_EQ(t.closed_loop->think_time, ticks_per_second + ticks_per_second / 2);
  EXPECT_EQ(t.rate, 0);
  EXPECT_EQ(t.table.size(), 1000);
}

/// Whatever the load, the lengths are the same; whatever the number, the first requests are.
TEST(traffic_generator, draws_each_request_from_the_seed_alone) {
  const std::vector<RequestClass> classes{
      request_class("a", 1, lognormal(1000, 1), lognormal(100, 1)),
      request_class("b", 2, lognormal(200, 1), lognormal(300, 1))};
  const GeneratedTraffic few = generate_traffic(classes, at_rate(5), so_many(1001));
  const GeneratedTraffic many = generate_traffic(classes, at_rate(5), so_many(5000));
  for (std::size_t i = 0; i < 1001; ++i) {
    ASSERT_EQ(few.table.arrival[i], many.table.arrival[i]);
    ASSERT_EQ(few.table.input[i], many.table.input[i]);
    ASSERT_EQ(few.table.output[i], many.table.output[i]);
    ASSERT_EQ(few.class_of[i], many.class_of[i]);
  }
  LoadSpec bursts = at_rate(70);
  bursts.arrivals.kind = ArrivalKind::gamma;
  bursts.arrivals.cv = 4;
  const GeneratedTraffic other = generate_traffic(classes, bursts, so_many(5000));
  EXPECT_EQ(other.table.input, many.table.input);
  EXPECT_NE(other.table.arrival, many.table.arrival);
  EXPECT_NE(generate_traffic(classes, at_rate(5), so_many(5000, 2)).table.input, many.table.input);
}

TEST(traffic_generator, stops_at_the_duration) {
  TrafficOptions o;
  o.duration = 100;
  const auto classes = std::vector{request_class("a", 1, fixed_length(100), fixed_length(10))};
  const GeneratedTraffic t = generate_traffic(classes, at_rate(50), o);
  EXPECT_LT(to_seconds(t.table.arrival.back()), 100);
  EXPECT_NEAR(t.table.size(), 5000, 4 * std::sqrt(5000.0));
}

TEST(traffic_generator, cuts_what_outgrows_the_context) {
  TrafficOptions o = so_many(20'000);
  o.context = 1000;
  const GeneratedTraffic t = generate_traffic(
      {request_class("a", 1, lognormal(500, 1), lognormal(300, 1))}, at_rate(1), o);
  std::int64_t full = 0;
  for (std::size_t i = 0; i < 20'000; ++i) {
    ASSERT_LE(t.table.input[i] + t.table.output[i], 1000);
    full += t.table.input[i] + t.table.output[i] == 1000;
  }
  EXPECT_GE(full, t.cut);
  EXPECT_GT(t.cut, 1000);
}

TEST(traffic_generator, gives_promises_and_priorities_of_the_classes) {
  RequestClass a = request_class("a", 1, fixed_length(10), fixed_length(10)), b = a;
  b.name = "b";
  b.priority = -3;
  b.slo.ttft = 0.5;
  b.slo.end_to_end = 9;
  const GeneratedTraffic t = generate_traffic({a, b}, at_rate(1), so_many(100));
  for (std::size_t i = 0; i < 100; ++i) ASSERT_EQ(t.table.priority[i], t.class_of[i] ? -3 : 0);
  EXPECT_EQ(t.classes[1].ttft, 0.5);
  EXPECT_EQ(t.classes[1].end_to_end, 9);
}

/// A stated hit rate is what the engine finds, but for parts of tokens, whatever room its cache
/// has.
TEST(traffic_generator, hit_rates_come_out_of_the_engine) {
  RequestClass c = request_class("a", 1, lognormal(2000, 0.5), fixed_length(4));
  c.prefix_hit_rate = 0.6;
  const GeneratedTraffic t = generate_traffic({c}, at_rate(0.5), so_many(4000));
  TestTimer timer;
  ServingSystem system;
  system.engines.timer = &timer;
  system.engines.scheduler.blocks = 1000;
  const Outcome o = simulate(system, t.table);
  const double rate =
      static_cast<double>(o.counters.cached_tokens) / static_cast<double>(o.counters.prompt_tokens);
  EXPECT_NEAR(rate, 0.6, 0.001);
}

}  // namespace
}  // namespace tollgate
