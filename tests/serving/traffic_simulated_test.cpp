#include <gtest/gtest.h>

#include <algorithm>

#include "request_classes.h"
#include "sim/serving/workload/prefix_streams.h"
#include "sim/serving/workload/traffic_generator.h"
#include "sim/spec/library.h"
#include "test_timer.h"

namespace tollgate {
namespace {

RequestClass agents() {
  RequestClass c = request_class("agents", 1, fixed_length(1), lognormal(40, 0.5));
  c.session.emplace();
  c.session->turns = lognormal(6, 0.6);
  c.session->system_prompt = 800;
  c.session->first_input = lognormal(300, 0.5);
  c.session->new_input = lognormal(150, 0.5);
  c.session->think_time = 2;
  c.session->think_time_sigma = 0.5;
  c.agent.emplace();
  c.agent->share = 0.4;
  c.agent->branches = fixed_length(3);
  c.agent->calls = fixed_length(2);
  c.agent->new_input = fixed_length(60);
  c.agent->output = fixed_length(20);
  return c;
}

ServingSystem system_of(const StepTimer& timer) {
  ServingSystem s;
  s.engines.timer = &timer;
  s.engines.scheduler.blocks = 400'000;
  return s;
}

GeneratedTraffic traffic(const LoadSpec& load, std::int64_t requests) {
  TrafficOptions o;
  o.requests = requests;
  o.context = 30'000;
  return generate_traffic({agents(), request_class("chat", 1, lognormal(400, 1), lognormal(90, 1))},
                          load, o);
}

/// Turns and joins come after the answers they wait for and their pause, to the tick.
void expect_waiting(const GeneratedTraffic& g, const Outcome& o) {
  const RequestTable& t = g.table;
  std::vector<Ticks> ready(t.input.size(), -1);
  for (std::size_t r = 0; r < t.input.size(); ++r) {
    for (std::int32_t k = t.successors_begin[r]; k < t.successors_begin[r + 1]; ++k) {
      const auto s = static_cast<std::size_t>(t.successors[static_cast<std::size_t>(k)]);
      ready[s] = std::max(ready[s], o.last[r]);
    }
  }
  for (std::size_t r = 0; r < t.input.size(); ++r) {
    if (ready[r] < 0) continue;
    ASSERT_EQ(o.arrival[r], ready[r] + std::max<Ticks>(1, t.arrival[r]));
  }
}

TEST(traffic_simulated, conversations_wait_and_find_their_prefixes) {
  TestTimer timer;
  const GeneratedTraffic g = traffic(at_rate(6), 6000);
  const Outcome o = simulate(system_of(timer), g.table);
  expect_waiting(g, o);
  // The cache is large, but holds whole blocks of 16 and only what has been answered by then.
  const double found =
      static_cast<double>(o.counters.cached_tokens) / static_cast<double>(o.counters.prompt_tokens);
  const double endless = endless_hit_rate(g.table);
  EXPECT_LT(found, endless);
  EXPECT_GT(found, endless - 0.03);
}

TEST(traffic_simulated, users_hold_one_conversation_at_a_time) {
  TestTimer timer;
  LoadSpec load;
  load.kind = LoadKind::concurrency;
  load.concurrency = 4;
  const GeneratedTraffic g = traffic(load, 3000);
  ServingSystem s = system_of(timer);
  s.closed_loop = g.closed_loop;
  const Outcome o = simulate(s, g.table);
  expect_waiting(g, o);
  // At no time are more than four conversations begun and not ended.
  std::vector<bool> waits(g.table.input.size(), false);
  for (const std::int32_t r : g.table.successors) waits[static_cast<std::size_t>(r)] = true;
  std::vector<std::pair<Ticks, int>> changes;
  for (std::size_t r = 0; r < waits.size();) {
    const std::size_t begin = r;
    Ticks end = o.last[r];
    for (++r; r < waits.size() && waits[r]; ++r) end = std::max(end, o.last[r]);
    changes.emplace_back(o.arrival[begin], 1);
    changes.emplace_back(end, -1);
  }
  std::sort(changes.begin(), changes.end());
  int at_once = 0, most = 0;
  for (const auto& [time, change] : changes) most = std::max(most, at_once += change);
  EXPECT_EQ(most, 4);
}

/// All presets and a recorded-style mix go through the engine.
TEST(traffic_simulated, presets_are_served) {
  TestTimer timer;
  Library library(TOLLGATE_REPOSITORY "/models");
  for (const std::string& name : library.names(Library::Shelf::traffic)) {
    TrafficOptions o;
    o.requests = 300;
    o.context = 131'072;
    const GeneratedTraffic g = generate_traffic({library.traffic(name, {})}, at_rate(0.2), o);
    const Outcome out = simulate(system_of(timer), g.table);
    EXPECT_GT(*std::min_element(out.last.begin(), out.last.end()), 0) << name;
  }
}

}  // namespace
}  // namespace tollgate
