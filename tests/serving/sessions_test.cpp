#include "sim/serving/workload/sessions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "request_classes.h"
#include "sim/serving/workload/prefix_streams.h"
#include "sim/serving/workload/traffic_generator.h"

namespace tollgate {
namespace {

/// 3 turns of 100 + 10 tokens after 1000 common ones.
RequestClass talk() {
  RequestClass c = request_class("talk", 1, fixed_length(1), fixed_length(10));
  c.session.emplace();
  c.session->turns = fixed_length(3);
  c.session->system_prompt = 1000;
  c.session->first_input = fixed_length(200);
  c.session->new_input = fixed_length(100);
  c.session->think_time = 5;
  return c;
}

RequestClass with_agents() {
  RequestClass c = talk();
  c.agent.emplace();
  c.agent->branches = fixed_length(4);
  c.agent->calls = fixed_length(2);
  c.agent->new_input = fixed_length(50);
  c.agent->output = fixed_length(7);
  return c;
}

GeneratedTraffic traffic(const std::vector<RequestClass>& classes, std::int64_t requests,
                         std::int64_t context = 1'000'000) {
  TrafficOptions o;
  o.requests = requests;
  o.context = context;
  return generate_traffic(classes, at_rate(2), o);
}

std::vector<std::int32_t> successors(const RequestTable& t, std::size_t r) {
  return {t.successors.begin() + t.successors_begin[r],
          t.successors.begin() + t.successors_begin[r + 1]};
}

TEST(sessions, prompts_grow_by_answers_and_messages) {
  const RequestTable t = traffic({talk()}, 300).table;
  ASSERT_EQ(t.successors_begin.size(), 301u);
  ASSERT_EQ(t.streams.size(), 101u);
  for (std::size_t r = 0; r < 300; r += 3) {
    const auto i = static_cast<std::int32_t>(r);
    EXPECT_EQ((std::vector(t.input.begin() + i, t.input.begin() + i + 3)),
              (std::vector{1200, 1310, 1420}));
    EXPECT_EQ(successors(t, r), std::vector{i + 1});
    EXPECT_EQ(successors(t, r + 1), std::vector{i + 2});
    EXPECT_TRUE(successors(t, r + 2).empty());
    EXPECT_EQ(t.arrival[r + 1], 5 * ticks_per_second);
    EXPECT_GE(t.arrival[r], r > 0 ? t.arrival[r - 3] : 0);
    for (std::size_t k = r; k < r + 3; ++k) {
      EXPECT_EQ(t.stream[k], t.stream[r]);
      EXPECT_EQ(t.shared[k], t.input[k] + t.output[k]);
    }
    const RequestTable::Stream& s = t.streams[static_cast<std::size_t>(t.stream[r])];
    EXPECT_EQ(s.parent, 0);
    EXPECT_EQ(s.branch, 1000);
  }
  // Of 1200 + 1310 + 1420 tokens, each conversation finds 1000, 1210 and 1320; the first not 1000.
  EXPECT_NEAR(endless_hit_rate(t), (353'000.0 - 1000) / 393'000, 1e-12);
}

TEST(sessions, sub_agents_branch_and_join) {
  const RequestTable t = traffic({with_agents()}, 19).table;  // 3 turns and twice 4 x 2 calls
  EXPECT_EQ(successors(t, 0), (std::vector{1, 3, 5, 7}));
  EXPECT_EQ(successors(t, 1), std::vector{2});
  for (const std::size_t last : {2u, 4u, 6u, 8u}) EXPECT_EQ(successors(t, last), std::vector{9});
  EXPECT_EQ(successors(t, 9), (std::vector{10, 12, 14, 16}));
  EXPECT_EQ(t.input[1], 1200 + 10 + 50);
  EXPECT_EQ(t.input[2], 1260 + 7 + 50);
  EXPECT_EQ(t.input[9], 1200 + 10 + 100 + 4 * 7);  // the join reads four answers
  EXPECT_EQ(t.arrival[1], 1);                      // started at once
  EXPECT_EQ(t.arrival[2], 5 * ticks_per_second);
  std::set<std::int32_t> streams;
  for (const std::size_t first : {1u, 3u, 5u, 7u}) {
    EXPECT_EQ(t.stream[first], t.stream[first + 1]);
    streams.insert(t.stream[first]);
    const RequestTable::Stream& s = t.streams[static_cast<std::size_t>(t.stream[first])];
    EXPECT_EQ(s.parent, t.stream[0]);
    EXPECT_EQ(s.branch, 1210);
  }
  EXPECT_EQ(streams.size(), 4u);

  RequestClass apart = with_agents();
  apart.agent->inherits = false;
  const RequestTable u = traffic({apart}, 19).table;
  EXPECT_EQ(u.input[1], 1000 + 50);
  EXPECT_EQ(u.streams[static_cast<std::size_t>(u.stream[1])].parent, 0);
}

/// The rate counts requests, whatever hangs together, and whatever does not fit the context: 40,000
/// requests in conversations of 4.0 turns, uniform over 1..7. The number of conversations begun by
/// then has sigma 1 % / 2 from the times and 0.5 % from the turns.
TEST(sessions, the_rate_and_the_weights_count_requests) {
  RequestClass c = talk();
  c.session->turns.kind = LengthKind::quantiles;
  c.session->turns.quantiles = {0.5, 7.4999};
  const RequestClass single = request_class("single", 1, fixed_length(50), fixed_length(5));
  for (const std::int64_t context : {1'000'000, 1500}) {
    const GeneratedTraffic g = traffic({c, single}, 40'000, context);
    double of_talk = 0;
    Ticks last = 0;
    for (std::size_t r = 0; r < 40'000; ++r) {
      of_talk += g.class_of[r] == 0;
      ASSERT_LE(g.table.input[r] + g.table.output[r], context);
      last = std::max(last, g.class_of[r] == 1 ? g.table.arrival[r] : 0);
    }
    EXPECT_NEAR(of_talk / 40'000, 0.5, 0.015);
    EXPECT_NEAR(40'000 / to_seconds(last), 2, 4 * 0.02);
    EXPECT_EQ(g.ended_early > 0, context == 1500);
  }
}

TEST(sessions, think_times_are_lognormal) {
  RequestClass c = talk();
  c.session->turns = fixed_length(2);
  c.session->think_time_sigma = 0.6;
  const RequestTable t = traffic({c}, 100'000).table;
  double mean = 0, log = 0, square = 0;
  for (std::size_t r = 1; r < 100'000; r += 2) {
    const double s = to_seconds(t.arrival[r]);
    mean += s / 50'000;
    log += std::log(s) / 50'000;
    square += std::log(s) * std::log(s) / 50'000;
  }
  EXPECT_NEAR(mean, 5, 4 * 5 * std::sqrt(std::exp(0.36) - 1) / std::sqrt(5e4));
  EXPECT_NEAR(std::sqrt(square - log * log), 0.6, 4 * 0.6 / std::sqrt(1e5));
}

/// Fewer requests are the beginning of more, to the middle of a conversation.
TEST(sessions, do_not_depend_on_how_many_are_drawn) {
  RequestClass c = with_agents();
  c.session->turns = lognormal(4, 0.8);
  c.agent->branches = lognormal(3, 0.5);
  c.agent->share = 0.5;
  const RequestTable many = traffic({c}, 3000).table;
  for (const std::int32_t n : {1, 2, 7, 50, 1234}) {
    const RequestTable few = traffic({c}, n).table;
    ASSERT_EQ(few.size(), n);
    const auto begins = [&](const auto& whole, const auto& part) {
      return std::equal(part.begin(), part.end(), whole.begin());
    };
    EXPECT_TRUE(begins(many.arrival, few.arrival));
    EXPECT_TRUE(begins(many.input, few.input));
    EXPECT_TRUE(begins(many.stream, few.stream));
    for (std::size_t r = 0; r < static_cast<std::size_t>(n); ++r) {
      std::vector<std::int32_t> kept;
      for (const std::int32_t s : successors(many, r)) {
        if (s < n) kept.push_back(s);
      }
      ASSERT_EQ(successors(few, r), kept);
    }
  }
}

/// What the engine relies on: who waits comes later, and heads are in order of arrival.
TEST(sessions, tables_are_in_order) {
  RequestClass c = with_agents();
  c.session->turns = lognormal(4, 0.8);
  c.agent->share = 0.3;
  const RequestTable t =
      traffic({c, request_class("single", 2, lognormal(100, 1), fixed_length(5))}, 20'000).table;
  std::vector<bool> waits(20'000, false);
  for (std::size_t r = 0; r < 20'000; ++r) {
    for (const std::int32_t s : successors(t, r)) {
      ASSERT_GT(s, static_cast<std::int32_t>(r));
      waits[static_cast<std::size_t>(s)] = true;
    }
  }
  Ticks last = 0;
  for (std::size_t r = 0; r < 20'000; ++r) {
    ASSERT_LE(t.shared[r], t.input[r] + t.output[r]);
    if (waits[r]) continue;
    ASSERT_GE(t.arrival[r], last);
    last = t.arrival[r];
  }
  for (std::size_t s = 0; s < t.streams.size(); ++s) {
    ASSERT_LT(t.streams[s].parent, static_cast<std::int32_t>(s));
  }
}

}  // namespace
}  // namespace tollgate
