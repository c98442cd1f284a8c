#include "sim/serving/workload/average_traffic.h"

#include <algorithm>

#include "sim/base/error.h"
#include "sim/serving/workload/prefix_streams.h"
#include "sim/serving/workload/trace_reader.h"
#include "sim/serving/workload/traffic_generator.h"

namespace tollgate {
namespace {

constexpr std::int64_t drawn_requests = 20'000;

/// Quantiles at equally spaced probabilities; the last is moved so that the mean is kept, if it
/// can.
LengthSpec distribution_of(std::vector<std::int32_t> values) {
  constexpr std::size_t steps = 200;
  std::sort(values.begin(), values.end());
  double mean = 0;
  for (const std::int32_t v : values) mean += v;
  mean /= static_cast<double>(values.size());
  LengthSpec l;
  l.kind = LengthKind::quantiles;
  for (std::size_t i = 0; i <= steps; ++i) {
    l.quantiles.push_back(values[(values.size() - 1) * i / steps]);
  }
  const double missing = (mean - l.average()) * 2 * steps;
  l.quantiles.back() = std::max(l.quantiles.back() + missing, l.quantiles[steps - 1]);
  return l;
}

RequestClass class_of_trace(LoadSpec& load, std::int64_t context) {
  TraceOptions options;
  options.format = load.format;
  options.speed = load.speed;
  options.context = context;
  const RequestTable t = read_trace(load.trace, options).table;
  if (t.arrival.back() == 0) {
    throw InputError(place_of(load.places, "trace"),
                     "all requests of the trace come at once, so that they have no mean rate.");
  }
  load.rate = static_cast<double>(t.size()) / to_seconds(t.arrival.back());
  RequestClass c;
  c.name = trace_name(load.trace);
  c.input = distribution_of(t.input);
  c.output = distribution_of(t.output);
  c.prefix_hit_rate = endless_hit_rate(t);
  return c;
}

void average_session(RequestClass& c, std::int64_t context) {
  const bool input = !c.places.count("input"), hit_rate = !c.places.count("prefix_hit_rate");
  if (!c.session || (!input && !hit_rate && !c.agent)) return;
  LoadSpec load;
  load.kind = LoadKind::rate;
  load.rate = 1;
  TrafficOptions options;
  options.requests = drawn_requests;
  options.context = context;
  const RequestTable t = generate_traffic({c}, load, options).table;
  if (input) c.input = distribution_of(t.input);
  if (hit_rate) c.prefix_hit_rate = endless_hit_rate(t);
  if (c.agent) c.output = distribution_of(t.output);
  c.session.reset();
  c.agent.reset();
}

}  // namespace

Scenario on_average(Scenario scenario, std::int64_t context) {
  LoadSpec& load = scenario.load;
  if (load.think_time > 0) {
    throw InputError(place_of(load.places, "think_time"),
                     "load.think_time is for the event simulation; on average, give the requests "
                     "that are in flight as 'concurrency'.");
  }
  if (load.kind == LoadKind::trace) {
    scenario.workload.assign(1, class_of_trace(load, context));
    load.kind = LoadKind::rate;
  }
  for (RequestClass& c : scenario.workload) average_session(c, context);
  return scenario;
}

}  // namespace tollgate
