#include "sim/study/deployment_trials.h"

#include <algorithm>
#include <cmath>

#include "sim/pricing/unit_cost.h"
#include "sim/serving/engine/scheduler_config.h"
#include "sim/study/pool_matching.h"

namespace tollgate {
namespace {

/// Pairs of deployments whose operating point is found, those that seem cheapest.
constexpr std::size_t pairs_followed = 6;

double gpu_hours_of(const DeploymentTrial& t, const WorkloadMix& mix) {
  const double tokens = t.point.state.requests_per_second * mix.output * t.point.replicas;
  return gpu_hours_per_million(exactly(tokens), static_cast<double>(t.gpus()) * t.point.replicas, 1)
      .value;
}

}  // namespace

bool DeploymentTrial::better_than(const DeploymentTrial& other) const {
  if (point.meets_slo != other.point.meets_slo) return point.meets_slo;
  const double a = gpu_hours, b = other.gpu_hours;
  if (point.meets_slo && std::fabs(a - b) > 1e-9 * b) return a < b;
  return point.state.end_to_end < other.point.state.end_to_end * (1 - 1e-12);
}

DeploymentTrials::DeploymentTrials(const Scenario& scenario, const WorkloadMix& mix,
                                   const ServingPools& pools, const RoutingTables& routing)
    : scenario_(scenario), mix_(mix), pools_(pools), routing_(routing) {}

DeploymentTrial DeploymentTrials::best() const {
  return pools_.prefill ? best_pair() : best_alone();
}

TrialModels DeploymentTrials::models(const DeploymentTrial& t) const {
  TrialModels m{pools_.main.step_model(t.main.deployment, routing_), {}};
  if (t.prefill) m.prefill = pools_.prefill->step_model(t.prefill->deployment, routing_);
  return m;
}

void DeploymentTrials::finish(DeploymentTrial& t, const TrialModels& models) const {
  t.point = t.closed_form = point_of(t, models, 1, t.main.memory.largest_batch);
  t.gpu_hours = gpu_hours_of(t, mix_);
}

DeploymentTrial DeploymentTrials::best_alone() const {
  std::optional<DeploymentTrial> best;
  for (const Deployment& d : pools_.main.fitting()) {
    DeploymentTrial trial;
    trial.main = {d, pools_.main.memory(d), 1};
    finish(trial, models(trial));
    if (!best || trial.better_than(*best)) best = trial;
  }
  return *best;
}

CacheTransfer DeploymentTrials::transfer_of(const Deployment& prefill, const Deployment& decode,
                                            int gpus) const {
  return plan_transfer(pools_.main.candidate().hardware, pools_.disaggregation.transfer,
                       {prefill, pools_.prefill->memory(prefill, mix_.input)},
                       {decode, pools_.main.memory(decode, mix_.input)}, mix_.input, gpus);
}

TwoPools DeploymentTrials::two_pools(const DeploymentTrial& t, const StepModel& prefill,
                                     const StepModel& decode) const {
  TwoPools pools;
  pools.prefill = {&prefill, pools_.prefill->limits(), static_cast<double>(t.prefill->instances),
                   std::max(1.0, t.prefill->memory.largest_batch)};
  pools.decode = {&decode, pools_.main.limits(), static_cast<double>(t.main.instances),
                  decode_room(t.main.memory.largest_batch)};
  pools.transfer = t.transfer;
  return pools;
}

double DeploymentTrials::decode_room(double batch) const {
  if (pools_.main.limits().policy != SchedulingPolicy::prefill_first) return std::max(1.0, batch);
  const double reserved = static_cast<double>(SchedulerConfig().reserved_decode_tokens);
  return std::max(1.0, batch * pools_.main.resident() / (pools_.main.resident() + reserved));
}

DeploymentTrial DeploymentTrials::best_pair() const {
  const DisaggregationSpec& spec = pools_.disaggregation;
  std::vector<StepModel> prefill_models, decode_models;
  for (const Deployment& d : pools_.prefill->fitting()) {
    prefill_models.push_back(pools_.prefill->step_model(d, routing_));
  }
  for (const Deployment& d : pools_.main.fitting()) {
    decode_models.push_back(pools_.main.step_model(d, routing_));
  }
  struct Pair {
    std::size_t prefill, decode;
    PoolCounts counts;
    bool keeps;
  };
  std::vector<Pair> pairs;
  DeploymentTrial t;
  t.prefill.emplace();
  const auto choose = [&](std::size_t p, std::size_t d) {
    const Deployment &prefill = pools_.prefill->fitting()[p], &decode = pools_.main.fitting()[d];
    t.prefill = {prefill, pools_.prefill->memory(prefill), 1};
    t.main = {decode, pools_.main.memory(decode), 1};
    t.transfer = transfer_of(prefill, decode, t.gpus());
  };
  for (std::size_t p = 0; p < prefill_models.size(); ++p) {
    for (std::size_t d = 0; d < decode_models.size(); ++d) {
      choose(p, d);
      const TwoPools one_each = two_pools(t, prefill_models[p], decode_models[d]);
      PoolRates rates = rates_alone(one_each, mix_, scenario_.slo);
      const bool keeps = rates.least() > 0;
      if (!keeps) rates = rates_alone(one_each, mix_, {});
      const double sent = t.transfer.latency + t.transfer.per_token * mix_.input;
      const PoolSide prefill{std::min(rates.prefill, t.transfer.senders / sent),
                             t.prefill->deployment.gpus(), spec.prefill.instances};
      const PoolSide decode{std::min(rates.decode, t.transfer.receivers / sent),
                            t.main.deployment.gpus(), spec.decode.instances};
      pairs.push_back({p, d, match_pools(prefill, decode, spec.most_instances, scenario_.load),
                       keeps});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return a.keeps != b.keeps ? a.keeps : a.counts.gpus_per_rate < b.counts.gpus_per_rate;
  });
  std::optional<DeploymentTrial> best;
  for (std::size_t i = 0; i < std::min(pairs.size(), pairs_followed); ++i) {
    const Pair& pair = pairs[i];
    choose(pair.prefill, pair.decode);
    t.prefill->instances = pair.counts.prefill;
    t.main.instances = pair.counts.decode;
    t.transfer = transfer_of(t.prefill->deployment, t.main.deployment, t.gpus());
    const TrialModels models{decode_models[pair.decode], prefill_models[pair.prefill]};
    t.alone = rates_alone(two_pools(t, *models.prefill, models.main), mix_, scenario_.slo);
    finish(t, models);
    if (!best || t.better_than(*best)) best = t;
  }
  return *best;
}

OperatingPoint DeploymentTrials::point_of(const DeploymentTrial& t, const TrialModels& models,
                                          double time_scale, double batch) const {
  MemoryPlan plan = t.main.memory;
  plan.largest_batch = std::max(1.0, batch);
  if (!t.prefill) {
    return find_operating_point(models.main, plan, mix_, pools_.main.limits(), scenario_.load,
                                scenario_.slo, time_scale);
  }
  TwoPools pools = two_pools(t, *models.prefill, models.main);
  pools.decode.room = decode_room(plan.largest_batch);
  ReplicaModel replica;
  replica.solve = [&](double in_flight) {
    return solve_two_pools(pools, mix_, in_flight, time_scale);
  };
  replica.room = room_of(pools, mix_, time_scale);
  replica.full = bound_of_batch(plan);
  return find_operating_point(replica, scenario_.load, scenario_.slo);
}

}  // namespace tollgate
