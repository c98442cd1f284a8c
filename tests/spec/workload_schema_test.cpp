#include "sim/spec/workload_schema.h"

#include <gtest/gtest.h>

#include "sim/spec/library.h"
#include "sim/spec/scenario_schema.h"

namespace tollgate {
namespace {

template <class T>
T read(const Schema<T>& schema, const std::string& text) {
  return schema.read(*parse_yaml(text, "f.yaml"), "");
}

/// What is written reads back as what was read.
template <class T>
std::string twice(const Schema<T>& schema, const T& value) {
  const std::string once = to_yaml(*schema.write(value));
  EXPECT_EQ(to_yaml(*schema.write(read(schema, once))), once);
  return once;
}

TEST(workload_schema, reads_arrivals) {
  const LoadSpec l = read(load_schema(), R"(
kind: rate
rate: 90 req/min
arrivals:
  kind: diurnal
  start: 6.5
  peak_to_mean: 1.5
  time_zones: {Tokyo: {utc_offset: 9, share: 2}, Kathmandu: {utc_offset: 5.75, share: 1}}
)");
  EXPECT_DOUBLE_EQ(l.rate, 1.5);
  EXPECT_EQ(l.arrivals.kind, ArrivalKind::diurnal);
  ASSERT_EQ(l.arrivals.time_zones.size(), 2u);
  EXPECT_EQ(l.arrivals.time_zones[1].name, "Kathmandu");
  EXPECT_EQ(l.arrivals.time_zones[1].utc_offset, 5.75);
  twice(load_schema(), l);
}

TEST(workload_schema, a_kind_alone_is_enough_for_arrivals_without_keys) {
  EXPECT_EQ(read(load_schema(), "{kind: rate, rate: 1 req/s, arrivals: uniform}").arrivals.kind,
            ArrivalKind::uniform);
  EXPECT_THROW(read(load_schema(), "{kind: rate, rate: 1 req/s, arrivals: gamma}"), InputError);
  EXPECT_THROW(read(load_schema(), "{kind: rate, rate: 1 req/s, arrivals: often}"), InputError);
}

TEST(workload_schema, reads_sessions_and_agents) {
  const RequestClass c = read(request_class_schema(), R"(
name: coding
output: 300
priority: -1
slo: {ttft: 500 ms, end_to_end: 1 min}
session: {turns: {kind: uniform, low: 1, high: 9}, system_prompt: 2000, new_input: 150, think_time: 3 s}
agent: {share: 0.5, branches: 3, calls: 2, new_input: 100, output: 50, inherits: false}
)");
  ASSERT_TRUE(c.session && c.agent);
  EXPECT_EQ(c.session->turns.high, 9);
  EXPECT_FALSE(c.session->first_input.given());
  EXPECT_EQ(c.session->think_time, 3);
  EXPECT_FALSE(c.agent->inherits);
  EXPECT_EQ(c.priority, -1);
  EXPECT_EQ(c.slo.end_to_end, 60);
  const std::string text = twice(request_class_schema(), c);
  // What it leaves out is not there as a zero.
  EXPECT_EQ(text.find("prefix_hit_rate"), std::string::npos);
  EXPECT_FALSE(read(request_class_schema(), text).places.count("input"));
}

TEST(workload_schema, presets_with_sessions_are_written_whole) {
  Library library(TOLLGATE_REPOSITORY "/models");
  for (const std::string& name : library.names(Library::Shelf::traffic)) {
    twice(request_class_schema(), library.traffic(name, {}));
  }
}

Scenario scenario(const std::string& workload) {
  Library library(TOLLGATE_REPOSITORY "/models");
  return parse_scenario(
      "schema_version: 1\nname: x\nload: {kind: saturate}\n"
      "candidates: [{model: Llama-3.1-8B, hardware: H100-SXM}]\nworkload:\n" +
          workload,
      "f.yaml", {}, library);
}

/// Averages of a preset are not those of the conversations that a scenario puts in its place.
TEST(workload_schema, a_session_on_top_of_a_preset_takes_its_averages_away) {
  const auto given = [](const RequestClass& c) {
    return c.places.count("input") + c.places.count("prefix_hit_rate");
  };
  EXPECT_EQ(given(scenario("  - {traffic: agentic-heavy}\n").workload[0]), 2u);
  EXPECT_EQ(given(scenario("  - {traffic: agentic-heavy, session: {turns: 5}}\n").workload[0]), 0u);
  EXPECT_EQ(given(scenario("  - {traffic: chat, prefix_hit_rate: 0.5, session: {turns: 5, "
                           "new_input: 10}}\n")
                      .workload[0]),
            1u);
}

}  // namespace
}  // namespace tollgate
