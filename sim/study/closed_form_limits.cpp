#include "sim/study/closed_form_limits.h"

#include <algorithm>

#include "sim/base/text.h"

namespace tollgate {
namespace {

/// Share of the cache from which on growing sequences run into its end.
constexpr double nearly_full = 0.9;
/// Share of the TTFT target from which on it may be what limits the load.
constexpr double near_target = 0.5;

ClosedFormCaveat averaged(const std::string& what) {
  return {0, what + "; `fidelity: simulated` follows single requests."};
}

ClosedFormCaveat waiting(const std::string& why, double within) {
  return {within, why + ", so throughput and TPOT of the closed form may differ by up to " +
                      fixed(100 * within, 0) +
                      " % from `fidelity: simulated`, which follows single requests."};
}

/// What any closed form averages; no sentence where it averages nothing.
ClosedFormCaveat averaged_arrivals(const Scenario& scenario) {
  const auto& classes = scenario.workload;
  if (scenario.load.kind == LoadKind::trace) return averaged("The trace's bursts are averaged");
  if (std::any_of(classes.begin(), classes.end(),
                  [](const RequestClass& c) { return c.session.has_value(); })) {
    return averaged("Conversations are taken as single requests with the stated cache hits");
  }
  const ArrivalKind arrivals = scenario.load.arrivals.kind;
  if (scenario.load.kind == LoadKind::rate && arrivals != ArrivalKind::poisson &&
      arrivals != ArrivalKind::uniform) {
    return averaged("Bursts of arrivals are averaged");
  }
  return {};
}

/// Whether targets choose the number of requests in flight.
bool chosen_by_target(const Scenario& scenario) {
  return scenario.load.kind == LoadKind::saturate || scenario.load.kind == LoadKind::rate;
}

/// Whether TTFT is so near its target that the choice may hang on it.
bool ttft_decides(const Scenario& scenario, double ttft) {
  return chosen_by_target(scenario) && scenario.slo.ttft > 0 &&
         ttft > near_target * scenario.slo.ttft;
}

constexpr const char* prompts_queue =
    "TTFT is near its target, and how prompts queue there is known roughly";

/// The many kernels of a mixture, or what comes once a step, take the host longer than short
/// prompts take the device.
bool launch_bound(const CandidateSpec& candidate) {
  return candidate.engine.host_per_eager_step > 0 ||
         (candidate.engine.host_per_call > 0 && candidate.model.has_experts());
}

/// Whether some steps with prompts run in graphs and others do not, and each kind breeds its own: a
/// longer step gathers more tokens for the next one.
bool near_graphs(const EngineSpec& engine, double tokens, double decode_rows) {
  const double room = engine.prompt_graph_rows - decode_rows;
  return room > 0 && 8 * tokens > room && tokens < 8 * room;
}

constexpr const char* some_in_graphs =
    "Steps with prompts wait for their launches where they are longer than the engine's graphs, "
    "and prompts are about that long";

/// Whether all answers have one length, so that those which begin together end together.
bool one_answer_length(const Scenario& scenario) {
  const auto& classes = scenario.workload;
  return classes.size() == 1 && classes[0].output.kind == LengthKind::fixed;
}

constexpr const char* launches_last =
    "A step with prompts lasts as long as its launches, however few they are";

}  // namespace

ClosedFormCaveat closed_form_caveat(const Scenario& scenario, const CandidateSpec& candidate,
                                    const Deployment& deployment, const WorkloadMix& mix,
                                    const SteadyState& state) {
  if (const ClosedFormCaveat c = averaged_arrivals(scenario); !c.sentence.empty()) return c;
  const SchedulingPolicy policy = candidate.engine.policy;
  if (policy == SchedulingPolicy::prefill_first && ttft_decides(scenario, state.ttft)) {
    return averaged(prompts_queue);
  }
  if (policy == SchedulingPolicy::no_evict &&
      mix.uncached > 0.5 * candidate.deployment.batched_tokens) {
    return waiting("TensorRT-LLM computes prompts whole, and many fill a step", 0.3);
  }
  const bool launches = launch_bound(candidate);
  if (launches && one_answer_length(scenario)) {
    return averaged(
        "Answers of one length end together, and prompts that come together share their launches");
  }
  if (deployment.data_attention == 1) {
    if (policy != SchedulingPolicy::prefill_first) {
      const double rows =
          state.decode_load.decode_sequences * (1 + candidate.deployment.mtp_draft_tokens);
      const double tokens = std::max(mix.uncached, state.mixed_load.prefill_tokens);
      if (!launches || !near_graphs(candidate.engine, tokens, rows)) return {};
      return waiting(some_in_graphs, 0.1);
    }
    if (launches) {
      return waiting(
          "Prompts go before decoding, and a step of theirs lasts as long as its launches", 0.35);
    }
    return waiting("Prompts go before decoding, and requests that end together come together",
                   chosen_by_target(scenario) ? 0.2 : 0.1);
  }
  const std::string groups = "Data-parallel groups wait for the fullest of them";
  if (policy == SchedulingPolicy::prefill_first) {
    return waiting(groups + ", and each stops decoding for its own prompts", 0.7);
  }
  const auto& attentions = candidate.model.attentions;
  const bool sparse = std::any_of(attentions.begin(), attentions.end(),
                                  [](const AttentionSpec& a) { return a.index.top_k > 0; });
  if (sparse)
    return waiting(groups + ", and sparse attention depends on each prompt's length", 0.2);
  return waiting(groups, launches ? 0.2 : 0.15);
}

ClosedFormCaveat two_pools_caveat(const Scenario& scenario, const CandidateSpec& candidate,
                                  const Deployment& prefill, const Deployment& decode,
                                  const WorkloadMix& mix, double filled, double ttft) {
  if (const ClosedFormCaveat c = averaged_arrivals(scenario); !c.sentence.empty()) return c;
  if (filled > nearly_full) {
    return averaged("Decode engines are full, and what they preempt or put off is left out");
  }
  if (ttft_decides(scenario, ttft)) return averaged(prompts_queue);
  if (prefill.data_attention == 1 && decode.data_attention == 1) {
    if (!launch_bound(candidate)) return {};
    if (candidate.engine.prompt_graph_rows == 0) return waiting(launches_last, 0.1);
    if (!near_graphs(candidate.engine, mix.uncached, 0)) return {};
    return waiting(some_in_graphs, 0.1);
  }
  return waiting("Data-parallel groups of a pool wait for the fullest of them",
                 candidate.engine.policy == SchedulingPolicy::prefill_first ? 0.25 : 0.15);
}

}  // namespace tollgate
