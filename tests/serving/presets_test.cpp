#include <gtest/gtest.h>

#include "request_classes.h"
#include "sim/serving/workload/average_traffic.h"
#include "sim/serving/workload/prefix_streams.h"
#include "sim/serving/workload/traffic_generator.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

double mean_of(const std::vector<std::int32_t>& v) {
  double sum = 0;
  for (const std::int32_t x : v) sum += x;
  return sum / static_cast<double>(v.size());
}

/// Whether a preset's conversations give the prompts and the hit rate that its trace has. What they
/// leave out stands in the tolerance: the measured rates of agentic-tools and agentic-appworld
/// count characters of messages that were written down anew, which is less than what they repeat.
TEST(presets, conversations_agree_with_the_averages) {
  Library library(TOLLGATE_REPOSITORY "/models");
  int with_sessions = 0;
  for (const std::string& name : library.names(Library::Shelf::traffic)) {
    const RequestClass c = library.traffic(name, {});
    if (!c.session) continue;
    ++with_sessions;
    TrafficOptions o;
    o.requests = 50'000;
    o.context = 1'000'000;
    const RequestTable t = generate_traffic({c}, at_rate(1), o).table;
    EXPECT_NEAR(mean_of(t.input) / c.input.average(), 1, 0.1) << name;
    EXPECT_NEAR(mean_of(t.output) / c.output.average(), 1, 0.03) << name;
    EXPECT_NEAR(endless_hit_rate(t), c.prefix_hit_rate, name == "agentic-appworld" ? 0.18 : 0.06)
        << name;
  }
  EXPECT_EQ(with_sessions, 5);
}

/// What a session was not given, the average takes from its requests; what it was given, stays.
TEST(average_traffic, sessions_become_independent_requests) {
  RequestClass c = request_class("talk", 1, {}, fixed_length(10));
  c.session.emplace();
  c.session->turns = fixed_length(3);
  c.session->system_prompt = 1000;
  c.session->first_input = fixed_length(200);
  c.session->new_input = fixed_length(100);
  Scenario s;
  s.load = at_rate(5);
  s.workload = {c};
  const RequestClass average = on_average(s, 100'000).workload[0];
  EXPECT_FALSE(average.session);
  EXPECT_NEAR(average.input.average(), 1310, 1);
  EXPECT_NEAR(average.prefix_hit_rate, 3530.0 / 3930, 1e-3);

  s.workload[0].places["input"] = s.workload[0].places["prefix_hit_rate"] = {};
  s.workload[0].input = fixed_length(777);
  s.workload[0].prefix_hit_rate = 0.25;
  const RequestClass given = on_average(s, 100'000).workload[0];
  EXPECT_EQ(given.input.average(), 777);
  EXPECT_EQ(given.prefix_hit_rate, 0.25);
}

}  // namespace
}  // namespace tollgate
