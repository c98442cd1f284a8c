#include "sim/study/deployment_trials.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/pricing/unit_cost.h"
#include "sim/serving/engine/scheduler_config.h"
#include "sim/study/pool_matching.h"

namespace tollgate {
namespace {

/// Pairs of deployments whose operating point is found, those that seem cheapest.
constexpr std::size_t pairs_followed = 6;
/// Deployments of a pool that are tried with those of the other, those that serve most by
/// themselves for their accelerators.
constexpr std::ptrdiff_t engines_shortlisted = 12;

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

DeploymentTrial DeploymentTrials::best(double time_scale, double room) const {
  const Scale scale{time_scale, room};
  return pools_.prefill ? best_pair(scale) : best_alone(scale);
}

TrialModels DeploymentTrials::models(const DeploymentTrial& t) const {
  TrialModels m{pools_.main.step_model(t.main.deployment, routing_), {}};
  if (t.prefill) m.prefill = pools_.prefill->step_model(t.prefill->deployment, routing_);
  return m;
}

void DeploymentTrials::finish(DeploymentTrial& t, const TrialModels& models, Scale scale) const {
  t.point = t.closed_form =
      point_of(t, models, scale.time, t.main.memory.largest_batch * scale.room);
  t.gpu_hours = gpu_hours_of(t, mix_);
}

DeploymentTrial DeploymentTrials::rescaled(const DeploymentTrial& t, const TrialModels& models,
                                           double time_scale, double room) const {
  DeploymentTrial own = t;
  finish(own, models, {time_scale, room});
  if (!t.prefill || scenario_.load.kind == LoadKind::concurrency) return own;
  const DeploymentTrial anew = best(time_scale, room);
  return anew.better_than(own) ? anew : own;
}

DeploymentTrial DeploymentTrials::best_alone(Scale scale) const {
  std::optional<DeploymentTrial> best;
  for (const Deployment& d : pools_.main.fitting()) {
    DeploymentTrial trial;
    trial.main = {d, pools_.main.memory(d), 1};
    finish(trial, models(trial), scale);
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
                                     const StepModel& decode, double room) const {
  TwoPools pools;
  pools.prefill = {&prefill, pools_.prefill->limits(), static_cast<double>(t.prefill->instances),
                   std::max(1.0, t.prefill->memory.largest_batch)};
  pools.decode = {&decode, pools_.main.limits(), static_cast<double>(t.main.instances),
                  decode_room(t.main.memory.largest_batch * room)};
  pools.transfer = t.transfer;
  return pools;
}

double DeploymentTrials::decode_room(double batch) const {
  if (pools_.main.limits().policy != SchedulingPolicy::prefill_first) return std::max(1.0, batch);
  const double reserved = static_cast<double>(SchedulerConfig().reserved_decode_tokens);
  return std::max(1.0, batch * pools_.main.resident() / (pools_.main.resident() + reserved));
}

std::vector<DeploymentTrials::Engines> DeploymentTrials::shortlist(bool prefill,
                                                                   Scale scale) const {
  const PoolStudy& pool = prefill ? *pools_.prefill : pools_.main;
  std::vector<Engines> engines;
  for (const Deployment& d : pool.fitting()) {
    Engines e{{d, pool.memory(d), 1}, pool.step_model(d, routing_)};
    const double batch = e.chosen.memory.largest_batch * (prefill ? 1 : scale.room);
    const EnginePoolModel model{&e.model, pool.limits(), 1, prefill ? batch : decode_room(batch)};
    const double rate = prefill ? prefill_rate_alone(model, mix_, scenario_.slo, scale.time)
                                : decode_rate_alone(model, mix_, scenario_.slo, scale.time);
    e.gpus_per_rate = rate > 0 ? d.gpus() / rate : std::numeric_limits<double>::infinity();
    engines.push_back(std::move(e));
  }
  std::stable_sort(engines.begin(), engines.end(), [](const Engines& a, const Engines& b) {
    return a.gpus_per_rate < b.gpus_per_rate;
  });
  engines.erase(engines.begin() + std::min(std::ssize(engines), engines_shortlisted),
                engines.end());
  return engines;
}

DeploymentTrial DeploymentTrials::best_pair(Scale scale) const {
  const DisaggregationSpec& spec = pools_.disaggregation;
  const std::vector<Engines> prefill = shortlist(true, scale), decode = shortlist(false, scale);
  struct Pair {
    const Engines *prefill, *decode;
    PoolCounts counts;
    bool keeps;
  };
  const auto trial_of = [&](const Engines& p, const Engines& d, int prefills, int decodes) {
    DeploymentTrial t;
    t.prefill = p.chosen;
    t.main = d.chosen;
    t.prefill->instances = prefills;
    t.main.instances = decodes;
    t.transfer = transfer_of(p.chosen.deployment, d.chosen.deployment, t.gpus());
    return t;
  };
  std::vector<Pair> pairs;
  for (const Engines& p : prefill) {
    for (const Engines& d : decode) {
      const DeploymentTrial one_each = trial_of(p, d, 1, 1);
      const TwoPools pools = two_pools(one_each, p.model, d.model, scale.room);
      PoolRates rates = rates_alone(pools, mix_, scenario_.slo, scale.time);
      const bool keeps = rates.least() > 0;
      if (!keeps) rates = rates_alone(pools, mix_, {}, scale.time);
      const CacheTransfer& link = one_each.transfer;
      const double sent = link.latency + link.per_token * mix_.input;
      const PoolSide prompts{std::min(rates.prefill, link.senders / sent),
                             p.chosen.deployment.gpus(), spec.prefill.instances};
      const PoolSide answers{std::min(rates.decode, link.receivers / sent),
                             d.chosen.deployment.gpus(), spec.decode.instances};
      // One request at a time wants no more than one engine of each.
      const bool alone = !keeps && scenario_.load.kind != LoadKind::concurrency;
      pairs.push_back(
          {&p, &d, match_pools(prompts, answers, alone ? 1 : spec.most_instances, scenario_.load),
           keeps});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return a.keeps != b.keeps ? a.keeps : a.counts.gpus_per_rate < b.counts.gpus_per_rate;
  });
  std::optional<DeploymentTrial> best;
  for (std::size_t i = 0; i < std::min(pairs.size(), pairs_followed); ++i) {
    const Pair& pair = pairs[i];
    DeploymentTrial t =
        trial_of(*pair.prefill, *pair.decode, pair.counts.prefill, pair.counts.decode);
    const TrialModels models{pair.decode->model, pair.prefill->model};
    t.alone = rates_alone(two_pools(t, pair.prefill->model, pair.decode->model, scale.room), mix_,
                          scenario_.slo, scale.time);
    finish(t, models, scale);
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
  TwoPools pools = two_pools(t, *models.prefill, models.main, 1);
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
