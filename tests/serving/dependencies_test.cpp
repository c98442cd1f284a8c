#include <gtest/gtest.h>

#include "sim/base/error.h"
#include "sim/serving/engine/simulate.h"
#include "sim/serving/engine/summary.h"

namespace tollgate {
namespace {

constexpr Ticks ms = ticks_per_second / 1000;

/// Every step takes one millisecond.
struct Metronome : StepTimer {
  Ticks step(std::span<const RankBatch>) const override { return ms; }
  DecodeLine decode(std::span<const RankBatch>) const override {
    return {ms, 0, std::int64_t{1} << 40};
  }
};

/// Requests that take one millisecond for the prompt and each further token another.
struct Agents {
  Metronome timer;
  ServingSystem system;
  RequestTable t;

  Agents() {
    system.engines.timer = &timer;
    system.engines.scheduler.blocks = 1000;
    system.engines.scheduler.async = false;
    t.successors_begin.push_back(0);
  }
  void add(Ticks arrival, int output, const std::vector<std::int32_t>& successors) {
    t.arrival.push_back(arrival);
    t.input.push_back(10);
    t.output.push_back(output);
    t.successors.insert(t.successors.end(), successors.begin(), successors.end());
    t.successors_begin.push_back(static_cast<std::int32_t>(t.successors.size()));
  }
  std::string refusal() const {
    try {
      simulate(system, t);
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  }
};

/// By hand: a call that fans out to two tools of 5 and 20 ms, whose answers are joined. The plan is
/// answered at 3 ms, the branches are sent at 8 and 23 ms and take 10 and 2 steps; the join is sent
/// a millisecond after the later of them.
TEST(dependencies, a_join_waits_for_all_branches) {
  Agents a;
  a.add(0, 3, {1, 2});
  a.add(5 * ms, 10, {3});
  a.add(20 * ms, 2, {3});
  a.add(1 * ms, 4, {});
  const Outcome o = simulate(a.system, a.t);
  EXPECT_EQ(o.arrival, (std::vector<Ticks>{0, 8 * ms, 23 * ms, 26 * ms}));
  EXPECT_EQ(o.last, (std::vector<Ticks>{3 * ms, 18 * ms, 25 * ms, 30 * ms}));
  EXPECT_FALSE(o.closed_loop);
}

/// One user with two sessions of two turns: the second session begins when both turns of the first
/// are answered and the user has thought; the stated arrivals of their first turns do not matter.
TEST(dependencies, a_user_of_a_closed_loop_goes_through_sessions) {
  Agents a;
  a.add(0, 2, {1});
  a.add(10 * ms, 3, {});
  a.add(0, 2, {3});
  a.add(10 * ms, 3, {});
  a.system.closed_loop = ClosedLoop{1, 5 * ms};
  const Outcome o = simulate(a.system, a.t);
  EXPECT_EQ(o.arrival, (std::vector<Ticks>{0, 12 * ms, 20 * ms, 32 * ms}));
  EXPECT_TRUE(o.closed_loop);
}

/// A conversation stays with the replica that has its prefix, and finds it there.
TEST(dependencies, a_prefix_aware_router_keeps_a_conversation) {
  Agents a;
  constexpr int conversations = 6;
  for (int turn = 0; turn < 5; ++turn) {
    for (int c = 0; c < conversations; ++c) {
      const auto next = static_cast<std::int32_t>(a.t.size() + conversations);
      a.add(turn == 0 ? c * ms / 2 : 7 * ms, 40, {});
      if (turn < 4) {
        a.t.successors.push_back(next);
        ++a.t.successors_begin.back();
      }
      a.t.input.back() = 100 * (turn + 1);
      a.t.stream.push_back(c);
      a.t.shared.push_back(a.t.input.back() + 40);
    }
  }
  a.system.engines.replicas = 3;
  a.system.router = Router::prefix_aware;
  // Each turn finds the full blocks of the prompt and the answer before, less the last token.
  std::int64_t found = 0;
  for (int turn = 1; turn < 5; ++turn) found += conversations * ((100 * turn + 39) / 16 * 16);
  EXPECT_EQ(simulate(a.system, a.t).counters.cached_tokens, found);
  a.system.router = Router::round_robin;
  EXPECT_EQ(simulate(a.system, a.t).counters.cached_tokens, found);  // six are a multiple of three
  a.t.arrival[0] = 0;
  a.system.engines.replicas = 4;
  EXPECT_LT(simulate(a.system, a.t).counters.cached_tokens, found);
}

/// Latencies count from when a request was sent, not from the pause in the table.
TEST(dependencies, latencies_count_from_when_a_request_was_sent) {
  Agents a;
  a.add(0, 3, {1});
  a.add(1000 * ms, 3, {});
  SummaryOptions whole;
  whole.window = {0, 2};
  EXPECT_DOUBLE_EQ(summarise(a.t, simulate(a.system, a.t), whole).ttft.mean, 0.001);
}

TEST(dependencies, refuses_what_does_not_fit) {
  Agents a;
  a.add(0, 3, {0});
  EXPECT_EQ(a.refusal(), "request 0 must be followed by later requests of the table");
  a.t.successors = {1};
  EXPECT_EQ(a.refusal(), "request 0 must be followed by later requests of the table");
  a.t.successors.clear();
  EXPECT_EQ(a.refusal(), "the beginnings of the successors do not fit the requests and successors");
  a.t.successors_begin = {0};
  EXPECT_EQ(a.refusal(), "the beginnings of the successors do not fit the requests and successors");

  Agents late;
  late.add(latest_arrival, 3, {1});
  late.add(latest_arrival, 3, {});
  EXPECT_EQ(late.refusal(), "request 1 is sent after 53 days, beyond the simulator's clock");
  late.t.arrival = {0, -1};
  EXPECT_EQ(late.refusal(), "request 1 is sent before it may be");
}

}  // namespace
}  // namespace tollgate
