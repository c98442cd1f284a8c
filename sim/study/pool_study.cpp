#include "sim/study/pool_study.h"

#include <algorithm>
#include <cmath>

#include "sim/base/text.h"
#include "sim/study/deployment_search.h"

namespace tollgate {
namespace {

/// Log-sd of workspace and runtime memory, which are conventions of engines, not counted.
constexpr double memory_log_sd = 0.25;

std::string gigabytes(double bytes) { return fixed(bytes / 1e9, bytes < 10e9 ? 1 : 0) + " GB"; }

}  // namespace

PoolStudy::PoolStudy(CandidateSpec candidate, const MethodSpec& method, const WorkloadMix& mix,
                     double resident, const EngineCurves& curves)
    : candidate_(std::move(candidate)),
      method_(method),
      mix_(mix),
      resident_(resident),
      curves_(curves),
      precision_(deployed_precision(candidate_.model, candidate_.deployment)),
      limits_(scheduler_limits(candidate_.engine, candidate_.deployment, mix)) {
  const auto that_fit = [&](const std::vector<Deployment>& deployments) {
    std::copy_if(deployments.begin(), deployments.end(), std::back_inserter(fitting_),
                 [&](const Deployment& d) { return memory(d).fits(); });
  };
  tried_ = deployments_to_try(candidate_, false);
  that_fit(tried_);
  if (!fitting_.empty()) return;
  const auto beyond = deployments_to_try(candidate_, true);
  that_fit(beyond);
  if (!tried_.empty() && !beyond.empty()) {
    const HardwareSpec& h = candidate_.hardware;
    note_ = " One domain of " + std::to_string(std::max(h.per_node, h.per_domain)) +
            " does not hold the model.";
  }
  tried_.insert(tried_.end(), beyond.begin(), beyond.end());
}

MemoryPlan PoolStudy::memory(const Deployment& d, double context) const {
  const DeploymentSpec& spec = candidate_.deployment;
  return plan_memory(candidate_.model, candidate_.hardware, d, precision_, spec, method_, context,
                     step_tokens(candidate_.engine, spec, d, candidate_.hardware));
}

StepModel PoolStudy::step_model(const Deployment& d, const RoutingTables& routing) const {
  return StepModel(candidate_.model, curves_, d, precision_, candidate_.deployment,
                   candidate_.engine, routing, mix_.contexts);
}

Misfit PoolStudy::misfit() const {
  if (tried_.empty()) {
    return {
        "no deployment agrees with the sizes given: heads must divide by tensor, experts by expert "
        "ranks, and gpus by all.",
        "deployment",
        {}};
  }
  const Deployment& roomiest =
      *std::max_element(tried_.begin(), tried_.end(), [&](const auto& a, const auto& b) {
        return memory(a).for_sequences < memory(b).for_sequences;
      });
  const MemoryPlan plan = memory(roomiest);
  const std::string on =
      "on " + std::to_string(roomiest.gpus()) + " x " + candidate_.hardware.name + " ";
  if (plan.for_sequences <= 0) {
    const double others = plan.weights + plan.runtime_overhead;
    std::string reason = on + "weights, workspace and runtime need " +
                         gigabytes(others + plan.activations) + " per GPU, of " +
                         gigabytes(plan.capacity) + " usable.";
    if (others < plan.capacity) {
      reason += " Workspace is " + gigabytes(plan.activations) +
                " of it and grows with the token budget of a step (batched_tokens).";
    }
    return {reason, "memory", roomiest};
  }
  return {on + gigabytes(plan.for_sequences) +
              " per GPU are left after weights, but one sequence of " + fixed(resident_, 0) +
              " tokens needs " + gigabytes(plan.per_sequence()) + ".",
          "memory", roomiest};
}

void PoolStudy::fill_memory(const MemoryPlan& plan, double sequences, const Deployment& d,
                            MemoryResult& m, Estimate& largest_batch) const {
  const double per_group = sequences / d.data_attention;
  // What the engine leaves of free memory it leaves of a byte saved elsewhere, too.
  const bool of_free = candidate_.deployment.memory_utilisation_of == MemoryBase::free;
  const double share = of_free ? candidate_.deployment.memory_utilisation : 1;
  m.capacity = exactly(plan.capacity);
  m.weights = exactly(plan.weights);
  m.kv_cache = exactly(plan.kv_per_sequence * per_group);
  m.recurrent_state = exactly(plan.state_per_sequence * per_group);
  m.activations = with_log_sd(plan.activations, memory_log_sd, Provenance::assumed);
  m.runtime_overhead = with_log_sd(plan.runtime_overhead, memory_log_sd, Provenance::assumed);
  const Estimate reserved = sum(m.activations, m.runtime_overhead);
  if (of_free) {
    m.capacity = {plan.capacity, plan.capacity - (1 - share) * (reserved.value - reserved.low),
                  plan.capacity + (1 - share) * (reserved.high - reserved.value),
                  Provenance::assumed};
  }
  const double free = std::max(0.0, plan.for_sequences - plan.per_sequence() * per_group);
  m.free = {free, std::max(0.0, free + share * (reserved.value - reserved.high)),
            free + share * (reserved.value - reserved.low), Provenance::assumed};
  largest_batch = exactly(plan.largest_batch);
  if (plan.per_sequence() <= 0) return;
  const auto batch = [&](double room) {
    const double in_memory =
        std::floor(std::max(0.0, room) / plan.per_sequence()) * d.data_attention;
    const double cap = candidate_.deployment.max_batch;
    return std::min({in_memory, plan.scheduler_batch, cap > 0 ? cap : in_memory});
  };
  largest_batch = {plan.largest_batch,
                   std::min(plan.largest_batch,
                            batch(plan.for_sequences + share * (reserved.value - reserved.high))),
                   std::max(plan.largest_batch,
                            batch(plan.for_sequences + share * (reserved.value - reserved.low))),
                   Provenance::assumed};
}

}  // namespace tollgate
