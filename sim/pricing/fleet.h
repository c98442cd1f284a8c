#pragma once

#include "sim/base/estimate.h"

namespace tollgate {

/// What a fleet is made of.
struct FleetUnit {
  Estimate tokens_per_second_per_gpu;  ///< input and output together, at full use, > 0
  double utilisation = 1;              ///< time-average over full use, 0 < u <= 1
  int gpus_per_replica = 1;            ///< bought together: a node, or one replica
  double watts_per_gpu = 0;            ///< all-in at the accelerator's share of the machine, >= 0
  double usd_per_gpu_hour = 0;         ///< >= 0
};

struct Fleet {
  Estimate replicas;  ///< rounded up to whole ones
  Estimate gpus;
  Estimate megawatts;    ///< times power usage effectiveness
  Estimate usd_per_day;  ///< 24 h x price, used or not
  Estimate usd_per_million_tokens;
};

/// The fleet that serves `tokens_per_second` > 0 on average. `pue` >= 1 is power usage
/// effectiveness. Throws std::invalid_argument for arguments out of range.
Fleet fleet_for(double tokens_per_second, const FleetUnit& unit, double pue);

}  // namespace tollgate
