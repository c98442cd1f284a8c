#include "sim/spec/scenario_schema.h"

namespace tollgate {

const Schema<SimulationSpec>& simulation_schema() {
  static const auto schema = [] {
    constexpr auto optional = Need::optional;
    Schema<SimulationSpec> s("simulation", "Simulation of single requests.");
    s.integer("seeds", &SimulationSpec::seeds, optional, Range{1, 1000},
              "Independent draws of the requests; intervals of percentiles come from them.");
    s.integer("requests", &SimulationSpec::requests, optional, Range{100, 1e8},
              "Requests of each draw; left out: forty times what is in flight, at least 4000.");
    s.choice<RouterKind>("router", &SimulationSpec::router, optional,
                         {{"round_robin", RouterKind::round_robin},
                          {"least_loaded", RouterKind::least_loaded},
                          {"prefix_aware", RouterKind::prefix_aware}},
                         "Which replica gets a request; prefix_aware keeps a conversation where "
                         "its cache is.");
    s.integer("most_replicas", &SimulationSpec::most_replicas, optional, Range{1, 256},
              "Replicas simulated beside each other; a larger service is a multiple of them.");
    s.boolean("sample_acceptance", &SimulationSpec::sample_acceptance, optional,
              "Draft tokens accepted one by one instead of the mean acceptance.");
    s.integer("timeline", &SimulationSpec::timeline, optional, Range{0, 10000},
              "About so many samples of running and waiting requests, cache and tokens in the JSON "
              "report.");
    s.integer("recorded_steps", &SimulationSpec::recorded_steps, optional, Range{1, 1e6},
              "First engine steps of each replica that `run --perfetto` writes.");
    return s;
  }();
  return schema;
}

}  // namespace tollgate
