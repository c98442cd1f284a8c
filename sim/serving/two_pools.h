#pragma once

#include <string>

#include "sim/placement/cache_transfer.h"
#include "sim/serving/decode_pool.h"
#include "sim/serving/prefill_pool.h"

namespace tollgate {

/// The engines of one pool.
struct EnginePoolModel {
  const StepModel* model = nullptr;
  SchedulerLimits limits;
  double instances = 1;
  double room = 1;  ///< sequences that the memory and the scheduler of one engine hold
};

/// A replica of two pools in closed form.
struct TwoPools {
  EnginePoolModel prefill, decode;
  CacheTransfer transfer;
};

/// What each part of a replica of two pools could carry by itself, requests per second.
struct PoolRates {
  double prefill = 0, decode = 0, link = 0;
  double least() const;
  std::string limiting() const;  ///< "prefill", "decode" or "link"
};

/// Steady state of both pools at `in_flight` requests, answers of more than one token on average.
/// A request passes ingest, the queue of a prefill engine, its prompt's steps, the next scheduling
/// point of a decode engine, which gives it room, the queue of the links and the transfer, the
/// point that admits it, and its steps there (SGLang: room first, then the prompt). The number in
/// flight is throughput times the sum, which is solved for the throughput; where a pool, the links
/// or the memory are full, the rest of them wait before the prefill pool. Formulas and sources:
/// docs/method.md, "Two pools".
SteadyState solve_two_pools(const TwoPools& pools, const WorkloadMix& mix, double in_flight,
                            double time_scale = 1);

/// Requests in flight at which the memory of a pool is full on average.
double room_of(const TwoPools& pools, const WorkloadMix& mix, double time_scale = 1);

/// The most one engine of a pool carries under the targets when the other pool and the links take
/// no time; 0 where one request misses them.
double prefill_rate_alone(const EnginePoolModel& pool, const WorkloadMix& mix, const SloSpec& slo,
                          double time_scale = 1);
double decode_rate_alone(const EnginePoolModel& pool, const WorkloadMix& mix, const SloSpec& slo,
                         double time_scale = 1);

/// The most each part carries under the targets by itself, 0 where one request misses them. The
/// prefill pool may use of the TTFT what the others leave while nobody waits for the links; without
/// a target a pool may be full.
PoolRates rates_alone(const TwoPools& pools, const WorkloadMix& mix, const SloSpec& slo,
                      double time_scale = 1);

}  // namespace tollgate
