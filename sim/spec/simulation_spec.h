#pragma once

#include "sim/spec/places.h"

namespace tollgate {

/// How a candidate's requests are followed.
enum class Fidelity {
  analytic,   ///< on average: the steady state in closed form, for sweeps
  simulated,  ///< one by one through the engine's scheduler
};

/// Which replica gets a request.
enum class RouterKind { round_robin, least_loaded, prefix_aware };

/// Event simulation of a scenario; used with `fidelity: simulated`.
struct SimulationSpec {
  int seeds = 3;           ///< independent draws of the requests
  long long requests = 0;  ///< of each draw; 0 = forty times what is in flight
  RouterKind router = RouterKind::round_robin;
  int most_replicas = 4;            ///< simulated beside each other; more are their multiples
  bool sample_acceptance = false;   ///< drafts accepted one by one instead of the mean
  int timeline = 60;                ///< samples of the run that the report carries, about
  long long recorded_steps = 1000;  ///< first steps of each replica, where `record`
  bool record = false;              ///< keep them for a trace of events; not a key of scenarios
  Places places;
};

}  // namespace tollgate
