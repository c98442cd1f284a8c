#pragma once

#include "sim/spec/workload_spec.h"

namespace tollgate {

/// Engines of one pool under the targets.
struct PoolSide {
  double rate = 0;    ///< requests per second that one of them carries
  int gpus = 1;       ///< of one
  int instances = 0;  ///< as given; 0 = to be chosen
};

struct PoolCounts {
  int prefill = 1, decode = 1;
  double gpus_per_rate = 0;  ///< accelerators for a request per second
};

/// Numbers of engines, each at most `most`, that carry the load with the fewest accelerators: a
/// replica carries what the weaker pool does, and a given rate takes whole replicas. Of those
/// within 1 % of the fewest, the smallest replica. Both rates must be above 0.
PoolCounts match_pools(const PoolSide& prefill, const PoolSide& decode, int most,
                       const LoadSpec& load);

}  // namespace tollgate
