#include "sim/study/run.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

#include "sim/base/text.h"
#include "sim/pricing/unit_cost.h"
#include "sim/study/deployment_search.h"
#include "sim/study/operating_point.h"

namespace tollgate {
namespace {

/// What a routing table depends on.
using RoutingKey = std::tuple<std::string, int, int, int, int, int, int, int, bool, bool, bool>;

RoutingKey routing_key(const LlmSpec& model, const FfnSpec& f) {
  const RouterSpec& r = f.router;
  return {model.family, f.experts, f.zero_experts, f.top_k, static_cast<int>(r.score), static_cast<int>(r.order),
          r.groups, r.groups_kept, r.bias, r.renormalise, r.hash};
}

/// Every distinct expert layer of the scenario, routed once for all numbers of ranks anybody needs.
class RoutingShelf {
 public:
  void want(const CandidateSpec& candidate, const std::vector<Deployment>& deployments) {
    for (const FfnSpec& ffn : candidate.model.ffns) {
      if (ffn.kind != FfnKind::moe) continue;
      Entry& entry = entries_[routing_key(candidate.model, ffn)];
      entry.ffn = &ffn;
      entry.family = candidate.model.family;
      for (const Deployment& d : deployments) entry.ranks.push_back(d.expert);
    }
  }
  void fill(const Scenario& scenario, const kernels::RoutingBackend& backend) {
    for (auto& [key, entry] : entries_) {
      std::sort(entry.ranks.begin(), entry.ranks.end());
      entry.ranks.erase(std::unique(entry.ranks.begin(), entry.ranks.end()), entry.ranks.end());
      if (entry.ranks.empty()) continue;
      entry.tables = make_routing_tables(*entry.ffn, entry.family, scenario.routing, scenario.seed, entry.ranks, backend);
    }
  }
  RoutingTables tables_of(const LlmSpec& model) const {
    RoutingTables tables(model.ffns.size());
    for (std::size_t i = 0; i < model.ffns.size(); ++i) {
      if (model.ffns[i].kind == FfnKind::moe) tables[i] = entries_.at(routing_key(model, model.ffns[i])).tables;
    }
    return tables;
  }

 private:
  struct Entry {
    const FfnSpec* ffn = nullptr;
    std::string family;
    std::vector<int> ranks;
    std::vector<RoutingTable> tables;
  };
  std::map<RoutingKey, Entry> entries_;
};

/// One deployment with everything worked out.
struct Trial {
  Deployment deployment;
  MemoryPlan memory;
  OperatingPoint point;
  double gpu_hours = std::numeric_limits<double>::infinity();  ///< per million output tokens
};

double gpu_hours_of(const Deployment& d, const SteadyState& state, const WorkloadMix& mix) {
  return gpu_hours_per_million(exactly(state.requests_per_second * mix.output), d.gpus(), 1).value;
}

/// Better: keeps the target, then cheaper; among those that miss it, the faster per token.
bool better(const Trial& a, const Trial& b) {
  if (a.point.meets_slo != b.point.meets_slo) return a.point.meets_slo;
  if (a.point.meets_slo) return a.gpu_hours < b.gpu_hours * (1 - 1e-12);
  return a.point.state.end_to_end < b.point.state.end_to_end * (1 - 1e-12);
}

std::string gigabytes(double bytes) { return fixed(bytes / 1e9, bytes < 10e9 ? 1 : 0) + " GB"; }

std::string describe_precision(const PrecisionMap& p, const LlmSpec& model) {
  std::vector<std::string> parts;
  const bool mixture = std::any_of(model.ffns.begin(), model.ffns.end(),
                                   [](const FfnSpec& f) { return f.kind == FfnKind::moe; });
  const auto name = [](Precision precision) { return std::string(info(precision).name); };
  if (mixture && p.experts != p.attention) {
    parts.push_back(name(p.experts) + " experts");
    parts.push_back(name(p.attention) + " attention");
  } else {
    parts.push_back(name(mixture ? p.experts : p.dense_ffn) + " weights");
  }
  parts.push_back(name(p.kv_cache) + " KV");
  return join(parts);
}

BoundResult bound_of(const StepTime& t) {
  BoundResult bound;
  const LimitTimes at = t.limits();
  const double total = at.total();
  if (total <= 0) return bound;
  bound.compute = at.compute / total;
  bound.hbm = at.hbm / total;
  bound.interconnect = at.interconnect / total;
  bound.imbalance = at.imbalance / total;
  bound.host = at.host / total;
  bound.name = at.largest();
  return bound;
}

class CandidateStudy {
 public:
  CandidateStudy(const Scenario& scenario, const CandidateSpec& candidate, const WorkloadMix& mix,
                 RoutingTables routing)
      : scenario_(scenario),
        candidate_(candidate),
        mix_(mix),
        routing_(std::move(routing)),
        precision_(deployed_precision(candidate.model, candidate.deployment)) {
    limits_.batched_tokens = candidate.deployment.batched_tokens;
    limits_.host_per_request = scenario.method.host_per_request;
    limits_.acceptance_length = candidate.deployment.mtp_acceptance_length;
  }

  CandidateResult run(const std::vector<Deployment>& small, const std::vector<Deployment>& large) const {
    CandidateResult result = describe_inputs();
    std::optional<Trial> best = best_of(small);
    std::string beyond;
    if (!best) {
      best = best_of(large);
      if (best) {
        beyond = " One machine of " + std::to_string(candidate_.hardware.per_node) + " does not hold it.";
      }
    }
    if (!best) {
      explain_misfit(small.empty() ? large : small, large, result);
      return result;
    }
    report(*best, result);
    result.reason += beyond;
    return result;
  }

 private:
  StepModel step_model(const Deployment& d) const {
    return StepModel(candidate_.model, candidate_.hardware, d, precision_, candidate_.deployment, scenario_.method,
                     routing_);
  }
  MemoryPlan memory(const Deployment& d) const {
    return plan_memory(candidate_.model, candidate_.hardware, d, precision_, candidate_.deployment, scenario_.method,
                       mix_.decode_context);
  }

  std::optional<Trial> best_of(const std::vector<Deployment>& deployments) const {
    std::optional<Trial> best;
    for (const Deployment& d : deployments) {
      Trial trial{d, memory(d), {}};
      if (!trial.memory.fits()) continue;
      trial.point = find_operating_point(step_model(d), trial.memory, mix_, limits_, scenario_.load, scenario_.slo);
      trial.gpu_hours = gpu_hours_of(d, trial.point.state, mix_);
      if (!best || better(trial, *best)) best = trial;
    }
    return best;
  }

  CandidateResult describe_inputs() const {
    const LlmSpec& model = candidate_.model;
    CandidateResult r;
    r.name = candidate_.name;
    r.model = model.name;
    r.hardware = candidate_.hardware.name;
    r.price = candidate_.price;
    r.precision = describe_precision(precision_, model);
    const ParameterCount count = count_parameters(model);
    r.total_parameters = count.total();
    r.active_parameters = count.active(true);
    r.kv_bytes_per_token = kv_bytes_per_token(model, precision_);
    return r;
  }

  void explain_misfit(const std::vector<Deployment>& tried, const std::vector<Deployment>& large,
                      CandidateResult& r) const {
    if (tried.empty()) {
      r.reason = "no deployment agrees with the sizes given: heads must divide by tensor, and experts by ranks.";
      return;
    }
    const Deployment* roomiest = &tried.front();
    double most = -std::numeric_limits<double>::infinity();
    for (const auto* list : {&tried, &large}) {
      for (const Deployment& d : *list) {
        const double room = memory(d).for_sequences;
        if (room > most) most = room, roomiest = &d;
      }
    }
    const MemoryPlan plan = memory(*roomiest);
    const double need = plan.weights + plan.activations + plan.runtime_overhead;
    const std::string on = std::to_string(roomiest->gpus()) + " x " + candidate_.hardware.name;
    if (plan.for_sequences <= 0) {
      r.reason = "on " + on + " weights, workspace and runtime need " + gigabytes(need) + " per GPU, of " +
                 gigabytes(plan.capacity) + " usable.";
    } else {
      r.reason = "on " + on + " " + gigabytes(plan.for_sequences) + " per GPU are left after weights, but one sequence of " +
                 fixed(mix_.decode_context, 0) + " tokens needs " + gigabytes(plan.per_sequence()) + ".";
    }
    r.limited_by = "memory";
    fill_memory(plan, 0, *roomiest, r);
    fill_deployment(*roomiest, r);
  }

  void fill_deployment(const Deployment& d, CandidateResult& r) const {
    r.gpus = d.gpus();
    r.tensor = d.tensor;
    r.pipeline = d.pipeline;
    r.expert = d.expert;
    r.data_attention = d.data_attention;
  }

  void fill_memory(const MemoryPlan& plan, double batch, const Deployment& d, CandidateResult& r) const {
    const double per_group = batch / d.data_attention;
    MemoryResult& m = r.memory;
    m.capacity = exactly(plan.capacity);
    m.weights = exactly(plan.weights);
    m.kv_cache = exactly(plan.kv_per_sequence * per_group);
    m.recurrent_state = exactly(plan.state_per_sequence * per_group);
    // Workspace and runtime are conventions of engines, not counted from the model: a third either way.
    m.activations = with_log_sd(plan.activations, 0.25, Provenance::assumed);
    m.runtime_overhead = with_log_sd(plan.runtime_overhead, 0.25, Provenance::assumed);
    const double free = std::max(0.0, plan.for_sequences - plan.per_sequence() * per_group);
    m.free = {free, std::min(free, std::max(0.0, free + m.activations.value + m.runtime_overhead.value -
                                                     m.activations.high - m.runtime_overhead.high)),
              free + m.activations.value + m.runtime_overhead.value - m.activations.low - m.runtime_overhead.low,
              Provenance::assumed};
    r.largest_batch = exactly(plan.largest_batch);
    const double slack = m.activations.high + m.runtime_overhead.high - m.activations.value - m.runtime_overhead.value;
    if (plan.per_sequence() > 0) {
      const double less = std::floor(std::max(0.0, plan.for_sequences - slack) / plan.per_sequence()) * d.data_attention;
      const double gain = m.activations.value + m.runtime_overhead.value - m.activations.low - m.runtime_overhead.low;
      const double more = std::floor((std::max(0.0, plan.for_sequences) + gain) / plan.per_sequence()) * d.data_attention;
      r.largest_batch = {plan.largest_batch, std::min(less, plan.largest_batch), std::max(more, plan.largest_batch),
                         Provenance::assumed};
    }
  }

  void report(const Trial& best, CandidateResult& r) const {
    const Deployment& d = best.deployment;
    const SteadyState& state = best.point.state;
    const StepModel model = step_model(d);
    r.fits = true;
    r.meets_slo = best.point.meets_slo;
    r.limited_by = best.point.limited_by;
    r.replicas = best.point.replicas;
    fill_deployment(d, r);
    fill_memory(best.memory, state.decoding, d, r);

    const StepTime decode = model.detail(state.decode_load);
    StepLoad prompt = state.mixed_load;
    prompt.decode_sequences = 0;
    const StepTime prefill = model.detail(prompt);
    const StepTime mixed = model.detail(state.mixed_load);
    r.decode_bound = bound_of(decode);
    r.prefill_bound = bound_of(prefill);
    add_operators("prefill", prefill, r);
    add_operators("decode", decode, r);
    add_routing(state, d, r);

    // The band of a step, and of what is built on it.
    const double step_sd = mix_.decoded > 0 ? std::max(decode.log_sd, mixed.log_sd) : mixed.log_sd;
    const double serving_sd = scenario_.method.serving_log_sd;
    const double log_sd = std::sqrt(step_sd * step_sd + serving_sd * serving_sd);
    Provenance provenance = worst(decode.provenance(), mixed.provenance());
    if (d.expert > 1 && scenario_.routing.popularity == RoutingSpec::Popularity::family) {
      provenance = worst(provenance, family_popularity(candidate_.model.family).provenance);
    }
    r.tpot = with_log_sd(state.tpot, log_sd, provenance);
    r.ttft = with_log_sd(state.ttft, std::hypot(log_sd, ttft_log_sd), worst(provenance, Provenance::extrapolated));
    r.end_to_end = with_log_sd(state.end_to_end, log_sd, provenance);

    // Cost and throughput: the operating point itself moves with the step time, so it is found again at
    // both ends of the band.
    const Estimate scale = with_log_sd(1, log_sd, provenance);
    const auto at = [&](double time_scale) {
      return find_operating_point(model, best.memory, mix_, limits_, scenario_.load, scenario_.slo, time_scale);
    };
    const OperatingPoint fast = at(scale.low), slow = at(scale.high);
    const auto band = [&](double low, double value, double high) {
      return Estimate{value, std::min(low, value), std::max(high, value), provenance};
    };
    const double rate = state.requests_per_second;
    r.requests_per_second =
        band(slow.state.requests_per_second, rate, fast.state.requests_per_second);
    r.batch = band(slow.state.in_flight, state.in_flight, fast.state.in_flight);
    r.input_tokens_per_second_per_gpu = scaled(r.requests_per_second, mix_.input / d.gpus());
    r.output_tokens_per_second_per_gpu = scaled(r.requests_per_second, mix_.output / d.gpus());
    const double utilisation = candidate_.pricing.utilisation;
    Delivery delivery{scaled(r.requests_per_second, mix_.input), scaled(r.requests_per_second, mix_.output),
                      static_cast<double>(d.gpus()), utilisation};
    if (scenario_.load.kind == LoadKind::rate) {
      // The service's rate is given; what is uncertain is how many replicas it takes.
      const double gpus = static_cast<double>(d.gpus()) * best.point.replicas;
      const auto share = [&](const OperatingPoint& p) { return static_cast<double>(best.point.replicas) / p.replicas; };
      const Estimate rate_per_gpu_paid = band(share(slow), 1, share(fast));
      delivery = {scaled(rate_per_gpu_paid, scenario_.load.rate * mix_.input),
                  scaled(rate_per_gpu_paid, scenario_.load.rate * mix_.output), gpus, utilisation};
    }
    const UnitCost cost = unit_cost(delivery, r.price.usd_per_hour);
    r.gpu_hours_per_million_output_tokens = cost.gpu_hours_per_million_output;
    r.usd_per_million_output_tokens = cost.usd_per_million_output;
    r.usd_per_million_tokens = cost.usd_per_million_total;
    r.usd_per_hour = r.price.usd_per_hour * d.gpus() * r.replicas;
    explain(best, slow, r);
  }

  void add_operators(const char* phase, const StepTime& t, CandidateResult& r) const {
    for (std::size_t i = 0; i < operator_classes; ++i) {
      const StepTime::Class& c = t.by_class[i];
      if (c.seconds() <= 0) continue;
      r.operators.push_back({phase, std::string(to_string(static_cast<OperatorClass>(i))), c.seconds(),
                             std::string(c.at.largest()), c.provenance});
    }
  }

  void add_routing(const SteadyState& state, const Deployment& d, CandidateResult& r) const {
    for (std::size_t i = 0; i < routing_.size(); ++i) {
      const FfnSpec& ffn = candidate_.model.ffns[i];
      for (const RoutingTable& table : routing_[i]) {
        if (table.ranks() != d.expert) continue;
        const double tokens = state.decode_load.decode_sequences * (1.0 + candidate_.deployment.mtp_draft_tokens);
        const RoutingTable::Point p = table.at(std::max(1.0, tokens));
        r.routing.push_back({ffn.name, ffn.experts, ffn.top_k, d.expert, tokens, p.busiest_ratio, p.distinct,
                             table.destination_ranks(), p.busiest_ratio_p95});
      }
    }
  }

  void explain(const Trial& best, const OperatingPoint& slow, CandidateResult& r) const {
    if (!best.point.meets_slo) {
      const bool tpot = scenario_.slo.tpot > 0 && best.point.state.tpot > scenario_.slo.tpot;
      const double have = tpot ? best.point.state.tpot : best.point.state.ttft;
      const double want = tpot ? scenario_.slo.tpot : scenario_.slo.ttft;
      r.reason = std::string(tpot ? "TPOT" : "TTFT") + " is " + fixed(have * 1e3, 1) + " ms at " +
                 fixed(best.point.state.in_flight, 0) + " in flight, above the target of " + fixed(want * 1e3, 1) + " ms.";
    } else if (r.limited_by == "tpot" || r.limited_by == "ttft") {
      r.reason = "one more sequence would miss the " + std::string(r.limited_by == "tpot" ? "TPOT" : "TTFT") + " target.";
    } else if (r.limited_by == "kv memory") {
      r.reason = candidate_.deployment.max_batch > 0 && r.largest_batch.value >= candidate_.deployment.max_batch
                     ? "max_batch allows no more sequences."
                     : "memory holds no more sequences.";
    } else {
      r.reason = "the load asks for no more.";
    }
    if (best.point.meets_slo && !slow.meets_slo) {
      r.assumptions.push_back("At the slow end of the band no batch keeps the latency target; the high cost is that of one request at a time.");
    }
    const EfficiencyTable& table = candidate_.hardware.efficiency;
    std::map<std::string, std::vector<std::string>> sources;
    const auto cite = [&](const char* name, const OperatorEfficiency& e) {
      sources[std::string(to_string(e.provenance)) + ": " + e.source].push_back(name);
    };
    cite("bf16 products", table.gemm_bf16);
    if (uses(Precision::fp8) || uses(Precision::int8)) cite("fp8 products", table.gemm_fp8);
    for (const FfnSpec& f : candidate_.model.ffns) {
      if (f.kind != FfnKind::moe) continue;
      const auto unit = compute_path(precision_.experts, candidate_.hardware.peak).unit;
      cite("experts", unit == ComputeClass::bf16 ? table.moe_bf16 : unit == ComputeClass::fp8 ? table.moe_fp8 : table.moe_fp4);
      const auto& popularity = family_popularity(candidate_.model.family);
      r.assumptions.push_back("Expert popularity of family '" + candidate_.model.family + "' is " +
                              (scenario_.routing.popularity == RoutingSpec::Popularity::uniform     ? std::string("uniform, as the scenario says")
                               : scenario_.routing.popularity == RoutingSpec::Popularity::lognormal ? std::string("log-normal, as the scenario says")
                                                                                                     : std::string(to_string(popularity.provenance))) + ".");
      break;
    }
    bool mla = false, gqa = false, linear = false;
    for (const AttentionSpec& a : candidate_.model.attentions) {
      mla = mla || a.kind == AttentionKind::mla;
      gqa = gqa || a.kind == AttentionKind::gqa;
      linear = linear || a.kind == AttentionKind::linear;
    }
    if (gqa) cite("decode attention", table.decode_attention), cite("prefill attention", table.prefill_attention);
    if (mla) cite("latent attention", table.mla_decode);
    if (linear) cite("linear attention", table.linear_attention);
    if (r.tensor > 1) cite("all-reduce", table.all_reduce);
    if (r.data_attention > 1) cite("all-to-all", table.all_to_all);
    cite("elementwise", table.elementwise);
    for (auto& [source, names] : sources) {
      names.erase(std::unique(names.begin(), names.end()), names.end());
      r.assumptions.push_back("Times of " + join(names) + " are " + source + ".");
    }
    r.assumptions.push_back("Host time per step, workspace and runtime memory are assumed constants of the method.");
    if (mix_.cached > 0) r.assumptions.push_back("The prefix-cache hit rate is taken from the scenario, not simulated.");
  }

  bool uses(Precision p) const {
    return precision_.attention == p || precision_.dense_ffn == p || precision_.shared_experts == p;
  }

  /// Queueing and the scheduler's order add to TTFT what means cannot tell.
  static constexpr double ttft_log_sd = 0.5;

  const Scenario& scenario_;
  const CandidateSpec& candidate_;
  const WorkloadMix& mix_;
  RoutingTables routing_;
  PrecisionMap precision_;
  SchedulerLimits limits_;
};

}  // namespace

RunResult run_scenario(const Scenario& scenario, const kernels::RoutingBackend& backend) {
  RunResult result;
  result.scenario = scenario.name;
  result.question = scenario.question;
  result.inputs_digest = scenario.inputs_digest;
  result.workload = scenario.workload;
  result.load = scenario.load;
  result.slo = scenario.slo;
  const WorkloadMix mix = summarise(scenario.workload);
  result.mean_input = mix.input;
  result.mean_cached = mix.cached;
  result.mean_output = mix.output;

  const std::size_t count = scenario.candidates.size();
  std::vector<std::vector<Deployment>> small(count), large(count);
  RoutingShelf shelf;
  for (std::size_t i = 0; i < count; ++i) {
    small[i] = deployments_to_try(scenario.candidates[i], false);
    large[i] = deployments_to_try(scenario.candidates[i], true);
    shelf.want(scenario.candidates[i], small[i]);
    shelf.want(scenario.candidates[i], large[i]);
  }
  shelf.fill(scenario, backend);

  result.candidates.resize(count);
  tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) {
    const CandidateSpec& candidate = scenario.candidates[i];
    const CandidateStudy study(scenario, candidate, mix, shelf.tables_of(candidate.model));
    result.candidates[i] = study.run(small[i], large[i]);
  });
  for (std::size_t i = 0; i < count; ++i) {
    const CandidateResult& c = result.candidates[i];
    if (!c.fits || !c.meets_slo) continue;
    if (result.cheapest < 0 || c.usd_per_million_output_tokens.value <
                                   result.candidates[static_cast<std::size_t>(result.cheapest)].usd_per_million_output_tokens.value) {
      result.cheapest = static_cast<int>(i);
    }
  }
  return result;
}

}  // namespace tollgate
