#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/spec/places.h"

namespace tollgate {

/// Tokens that somebody is said to use. Rates are tokens/s inside.
struct VolumeSpec {
  std::string name;
  double tokens = 0;             ///< tokens/s, > 0
  std::string model;             ///< the models/llm entry that makes them; "" = many
  std::string part_of;           ///< the volume this one belongs to
  std::optional<double> change;  ///< growth since the period before, -1 .. : 0.07 is + 7 %
  bool gone = false;             ///< the period before only: it left the list
  std::optional<double> share_low,
      share_high;  ///< share of all tokens of the world it is said to be
  std::string date;
  Places places;
};

/// A published efficiency to size fleets by.
struct YardstickSpec {
  std::string name;
  double tokens = 0;  ///< tokens/s of one replica, input and output, on average over the day
  int gpus = 8;       ///< of one replica
  double usd_per_gpu_hour = 0;
  double power = 0;  ///< watts per accelerator, all-in; 0 = unknown
  std::string date, from;
  Places places;
};

/// One kind of user (sim/pricing/demand.h says how the fields make tokens).
struct UserSpec {
  std::string name;
  double users = 0, penetration = 1, tasks_per_day = 1, turns_per_task = 1, calls_per_turn = 1;
  double first_prompt = 0, context_growth = 0, reasoning = 0, output = 0, prompt_compression = 0;
  Places places;
};

/// What agents add: at `parity` penetration they take as many tokens as all chatbot users.
struct AgentDemandSpec {
  double parity = 0;
  double target = 0;  ///< multiple of today's tokens that is asked about; 0 = none
  std::vector<double> penetrations;
  Places places;
};

struct DemandSpec {
  std::string mix;  ///< name of the mix that fleets are simulated with
  double pue = 1;   ///< power usage effectiveness on top of the accelerators' all-in power
  std::vector<VolumeSpec> volumes;
  std::vector<YardstickSpec> yardsticks;
  std::vector<UserSpec> users;
  std::optional<AgentDemandSpec> agents;
  Places places;
};

/// One value of a series.
struct SeriesPoint {
  std::string date;
  double tokens = 0;
  Places places;
};

/// A forecast (years with a rate, a multiple or both) or a series of values.
struct GrowthSpec {
  std::string name;
  int from = 0;  ///< the year `base` is of
  double years = 0;
  double base = 0;                      ///< tokens/s
  std::optional<double> yearly_growth;  ///< 3.3 is + 330 % a year
  std::optional<double> multiple;       ///< end over base
  std::optional<double> end;            ///< tokens/s in the last year
  std::optional<SeriesPoint> observed;  ///< a run rate to hold against the base
  std::vector<SeriesPoint> series;
  int periods = 0;               ///< between the first and the last value; 0 = one per step
  std::optional<double> change;  ///< what the series is said to have grown by
  std::optional<int> steps;      ///< in how many periods it is said to have
  Places places;
};

}  // namespace tollgate
