#include "sim/study/candidate_study.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "sim/base/text.h"
#include "sim/pricing/product.h"
#include "sim/pricing/unit_cost.h"
#include "sim/serving/latency_error.h"
#include "sim/study/assumptions.h"
#include "sim/study/closed_form_limits.h"
#include "sim/study/cost_study.h"
#include "sim/study/routing_facts.h"
#include "sim/study/simulated_point.h"

namespace tollgate {
namespace {

constexpr int most_replicas = 1'000'000;

std::string describe_precision(const PrecisionMap& p, const LlmSpec& model) {
  const bool mixture = model.has_experts();
  const auto name = [](Precision precision) { return std::string(info(precision).name); };
  if (mixture && p.experts != p.attention) {
    return name(p.experts) + " experts, " + name(p.attention) + " attention, " + name(p.kv_cache) +
           " KV";
  }
  return name(mixture ? p.experts : p.dense_ffn) + " weights, " + name(p.kv_cache) + " KV";
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

/// Share of a replica's busy time that its prompts add: what a step with prompt tokens takes longer
/// than the same step without them.
double share_of_prompts(const StepModel& model, const SteadyState& state, const WorkloadMix& mix) {
  if (state.step <= 0 || state.chunk <= 0) return 0;
  const double batches =
      std::min<double>(model.deployment().pipeline, std::max(1.0, state.in_flight));
  const double decode =
      state.decode_load.decode_sequences > 0 ? model.seconds(state.decode_load) : 0;
  const double added = std::max(0.0, model.seconds(state.mixed_load) - decode);
  const double prompts = state.requests_per_second / batches * mix.uncached / state.chunk;
  const double prefill = prompts * added, busy = state.step > 0 ? decode / state.step : 0;
  return prefill + busy > 0 ? std::clamp(prefill / (prefill + busy), 0.0, 1.0) : 0;
}

void add_operators(const char* phase, const StepTime& t, CandidateResult& r) {
  for (std::size_t i = 0; i < operator_classes; ++i) {
    const StepTime::Class& c = t.by_class[i];
    if (c.seconds() <= 0) continue;
    const Estimate band = with_log_sd(c.seconds(), c.log_sd, c.provenance);
    r.operators.push_back({phase, std::string(to_string(static_cast<OperatorClass>(i))), band.value,
                           std::string(c.at.largest()), c.provenance, band.low, band.high});
  }
}

/// The engines of one pool, as a candidate of its own.
CandidateSpec pool_candidate(const CandidateSpec& whole, const PoolSpec& pool) {
  CandidateSpec c = whole;
  c.deployment = pool_deployment(whole.deployment, pool);
  // Engines of a pool admit what fits, as vLLM's do: nothing decodes beside prompts.
  if (c.engine.policy == SchedulingPolicy::no_evict) {
    c.engine.policy = SchedulingPolicy::running_first;
  }
  return c;
}

/// Tokens that a resident sequence takes in the cache of an engine that does both.
double resident_context(const EngineSpec& engine, const WorkloadMix& mix) {
  return engine.policy == SchedulingPolicy::no_evict ? mix.reserved_context : mix.decode_context;
}

ServingPools pools_of(const Scenario& scenario, const CandidateSpec& c, const WorkloadMix& mix,
                      const EngineCurves& curves) {
  if (!c.deployment.disaggregation) {
    return {PoolStudy(c, scenario.method, mix, resident_context(c.engine, mix), curves), {}, {}};
  }
  const DisaggregationSpec& d = *c.deployment.disaggregation;
  if (mix.decoded <= 0) {
    throw InputError(
        place_of(d.places, ""),
        "disaggregation of " + c.name + " has nothing to decode: all answers are one token long.");
  }
  const auto pool = [&](const PoolSpec& spec, double resident) {
    return PoolStudy(pool_candidate(c, spec), scenario.method, mix, resident, curves);
  };
  return {pool(d.decode, mix.decode_context), pool(d.prefill, mix.input), d};
}

void fill_sizes(const ChosenEngines& e, PoolResult& r) {
  r.instances = e.instances;
  r.gpus = e.deployment.gpus();
  r.tensor = e.deployment.tensor;
  r.pipeline = e.deployment.pipeline;
  r.expert = e.deployment.expert;
  r.data_attention = e.deployment.data_attention;
}

}  // namespace

CandidateStudy::CandidateStudy(const Scenario& scenario, const Scenario& asked,
                               const CandidateSpec& candidate, const WorkloadMix& mix,
                               std::int64_t context, const EngineCurves& curves)
    : scenario_(scenario),
      asked_(asked),
      candidate_(candidate),
      mix_(mix),
      context_(context),
      pools_(pools_of(scenario, candidate, mix, curves)) {}

std::vector<Deployment> CandidateStudy::deployments() const {
  if (!pools_.fit()) return {};
  std::vector<Deployment> all = pools_.main.fitting();
  if (pools_.prefill) {
    const auto& prefill = pools_.prefill->fitting();
    all.insert(all.end(), prefill.begin(), prefill.end());
  }
  return all;
}

CandidateResult CandidateStudy::describe() const {
  const LlmSpec& model = candidate_.model;
  CandidateResult r;
  r.name = candidate_.name;
  r.model = model.name;
  r.hardware = candidate_.hardware.name;
  r.price = candidate_.price;
  r.cost.stack = stack_of(candidate_);
  r.price.usd_per_hour = r.cost.stack.total().value;
  r.precision = describe_precision(pools_.main.precision(), model);
  const ParameterCount count = count_parameters(model);
  r.total_parameters = count.total();
  r.active_parameters = count.active(true);
  r.mixture = candidate_.model.has_experts();
  r.kv_bytes_per_token =
      kv_bytes_per_token(model, pools_.main.precision(), candidate_.deployment.window_cache);
  return r;
}

CandidateResult CandidateStudy::explain_misfit() const {
  CandidateResult r = describe();
  const bool prompts = pools_.prefill && pools_.prefill->fitting().empty();
  const PoolStudy& pool = prompts ? *pools_.prefill : pools_.main;
  const Misfit misfit = pool.misfit();
  r.limited_by = misfit.limited_by;
  r.reason = (!pools_.prefill ? "" : prompts ? "prefill pool: " : "decode pool: ") + misfit.reason;
  if (misfit.limited_by == "deployment") return r;
  DeploymentTrial roomiest;
  roomiest.main.deployment = misfit.roomiest;
  fill_deployment(roomiest, r);
  pool.fill_memory(pool.memory(misfit.roomiest), 0, misfit.roomiest, r.memory, r.largest_batch);
  return r;
}

void CandidateStudy::fill_deployment(const DeploymentTrial& best, CandidateResult& r) const {
  const Deployment& d = best.main.deployment;
  r.gpus = best.gpus();
  r.tensor = d.tensor;
  r.pipeline = d.pipeline;
  r.expert = d.expert;
  r.data_attention = d.data_attention;
  r.two_batches = candidate_.deployment.two_batch_overlap && d.exchanges_tokens();
  r.replicas = best.point.replicas;
  const SteadyState& state = best.point.state;
  if (!best.main.memory.fits()) return;
  const auto held = [](double sequences, const ChosenEngines& e) {
    return std::min(sequences, e.memory.largest_batch);
  };
  const double decoding = held(state.resident / best.main.instances, best.main);
  Estimate batch;
  pools_.main.fill_memory(best.main.memory, decoding, d, r.memory, batch);
  r.largest_batch = scaled(batch, best.main.instances);
  if (!best.prefill) return;
  DisaggregationResult& two = r.disaggregation.emplace();
  fill_sizes(best.main, two.decode);
  two.decode.memory = r.memory;
  two.decode.largest_batch = batch;
  two.decode.sequences = decoding;
  two.decode.most_requests_per_second = best.alone.decode;
  fill_sizes(*best.prefill, two.prefill);
  two.prefill.sequences = held(state.pinned, *best.prefill);
  pools_.prefill->fill_memory(best.prefill->memory, two.prefill.sequences, best.prefill->deployment,
                              two.prefill.memory, two.prefill.largest_batch);
  two.prefill.busy = state.prefill_busy;
  two.prefill.most_requests_per_second = best.alone.prefill;
  two.limiting = best.alone.limiting();
  two.link = best.transfer.over;
  two.link_requests_per_second = best.alone.link;
  two.bytes_per_prompt = best.transfer.bytes_per_token * mix_.input;
  two.seconds_per_prompt = best.transfer.latency + best.transfer.per_token * mix_.input;
  two.sending = state.sending;
}

std::string CandidateStudy::reason_of(const DeploymentTrial& best) const {
  const OperatingPoint& p = best.point;
  if (!p.meets_slo) {
    const bool tpot = scenario_.slo.tpot > 0 && p.state.tpot > scenario_.slo.tpot;
    const double have = tpot ? p.state.tpot : p.state.ttft;
    const double want = tpot ? scenario_.slo.tpot : scenario_.slo.ttft;
    return std::string(tpot ? "TPOT" : "TTFT") + " is " + significant(have * 1e3, 4) + " ms at " +
           fixed(p.state.in_flight, 0) + " in flight, above the target of " +
           significant(want * 1e3, 4) + " ms.";
  }
  if (p.limited_by == "tpot") return "one more sequence would miss the TPOT target.";
  if (p.limited_by == "ttft") return "one more sequence would miss the TTFT target.";
  if (p.limited_by == "max_batch") return "max_batch allows no more sequences.";
  if (p.limited_by == "max_num_seqs")
    return "the scheduler's max_num_seqs or token budget allows no more sequences.";
  if (p.limited_by == "kv memory") return "memory holds no more sequences.";
  return "the load asks for no more.";
}

CandidateResult CandidateStudy::report(const RoutingTables& routing) const {
  if (!pools_.fit()) return explain_misfit();
  const DeploymentTrials trials(scenario_, mix_, pools_, routing);
  DeploymentTrial best = trials.best();
  if (best.point.replicas > most_replicas) {
    throw InputError(place_of(scenario_.load.places, "rate"),
                     "load.rate is " + significant(scenario_.load.rate, 4) +
                         " req/s, which takes " + candidate_.name +
                         " more than a million replicas.");
  }

  CandidateResult r = describe();
  const TrialModels models = trials.models(best);
  if (scenario_.fidelity == Fidelity::simulated) simulate(routing, best, r);
  r.fits = true;
  r.meets_slo = best.point.meets_slo;
  r.limited_by = best.point.limited_by;
  fill_deployment(best, r);
  double log_sd = 0;
  fill_times(models, best, r, log_sd);
  fill_routing(models, best, routing, r);
  fill_cost(trials, models, best, log_sd, r);
  r.reason = reason_of(best) + pools_.main.note();
  fill_assumptions(trials, models, best, r);
  return r;
}

void CandidateStudy::fill_routing(const TrialModels& models, const DeploymentTrial& best,
                                  const RoutingTables& routing, CandidateResult& r) const {
  const SteadyState& state = best.point.state;
  const Deployment& d = best.main.deployment;
  const Deployment& prompts = best.prefill ? best.prefill->deployment : d;
  for (std::size_t i = 0; i < routing.size(); ++i) {
    const FfnSpec& ffn = candidate_.model.ffns[i];
    const RoutingTable* table = routing[i].at(d.expert).decode;
    if (!table) continue;
    const double tokens = state.decode_load.decode_sequences * models.main.tokens_per_sequence();
    const RoutingTable::Point p = table->at(std::max(1.0, tokens));
    r.routing.push_back({ffn.name, ffn.experts, ffn.top_k, d.expert, tokens, p.busiest_ratio,
                         p.distinct, table->destination_ranks(), p.busiest_ratio_p95});
    if (!routing[i].routed) continue;
    r.routing.back().decode = decode_routing(candidate_, ffn, pools_.main.precision(), d,
                                             routing[i], std::max(1.0, tokens));
    r.routing.back().prefill =
        prefill_routing(candidate_, ffn, pools_.main.precision(), prompts, routing[i],
                        std::max(1.0, state.mixed_load.prefill_tokens));
  }
  if (r.routing.empty()) return;
  const auto step = [&](const StepModel& decode, const StepModel& prefill,
                        double StepSeconds::*member) {
    StepLoad prompt = state.mixed_load;
    prompt.decode_sequences = 0;
    r.decode_step.*member = decode.seconds(state.decode_load);
    r.prefill_step.*member = prefill.seconds(prompt);
  };
  step(models.main, models.prompts(), &StepSeconds::mean);
  const PoolStudy& prefill = pools_.prefill ? *pools_.prefill : pools_.main;
  for (const auto& [which, member] : {std::pair{RoutingTable::Step::p50, &StepSeconds::p50},
                                      std::pair{RoutingTable::Step::p95, &StepSeconds::p95}}) {
    const RoutingTables tables = of_step(routing, which);
    step(pools_.main.step_model(d, tables), prefill.step_model(prompts, tables), member);
  }
}

void CandidateStudy::fill_assumptions(const DeploymentTrials& trials, const TrialModels& models,
                                      const DeploymentTrial& best, CandidateResult& r) const {
  const auto add = [&](const std::vector<std::string>& sentences) {
    for (const std::string& s : sentences) {
      if (std::find(r.assumptions.begin(), r.assumptions.end(), s) == r.assumptions.end()) {
        r.assumptions.push_back(s);
      }
    }
  };
  const auto of = [&](const PoolStudy& pool, const ChosenEngines& engines, const StepModel& model) {
    return assumptions_of(pool.candidate(), pool.precision(), engines.deployment, mix_, model,
                          scenario_.fidelity);
  };
  if (best.prefill) {
    add(of(*pools_.prefill, *best.prefill, *models.prefill));
    add(assumptions_of_transfer(candidate_, best.transfer));
  }
  add(of(pools_.main, best.main, models.main));
  const ClosedFormCaveat caveat =
      best.prefill
          ? two_pools_caveat(asked_, candidate_, best.prefill->deployment, best.main.deployment,
                             mix_,
                             best.point.state.resident / best.main.instances /
                                 trials.decode_room(best.main.memory.largest_batch),
                             best.point.state.ttft)
          : closed_form_caveat(asked_, candidate_, best.main.deployment, mix_, best.point.state);
  if (!r.simulated && !caveat.sentence.empty()) r.assumptions.push_back(caveat.sentence);
  if (r.simulated) {
    r.assumptions.push_back(
        "The deployment is the best of the closed form; breakdowns and bands are the closed "
        "form's, "
        "in proportion.");
  }
}

void CandidateStudy::simulate(const RoutingTables& routing, DeploymentTrial& best,
                              CandidateResult& r) const {
  SimulationSpec spec = asked_.simulation;
  const auto engines = [&](const PoolStudy& pool, const ChosenEngines& chosen) {
    return SimulatedService(pool.candidate(), chosen.deployment, pool.precision(), pool.curves(),
                            routing, mix_.contexts, chosen.memory, pool.resident(), context_, spec);
  };
  std::optional<SimulatedService> prefill;
  if (best.prefill) {
    prefill.emplace(engines(*pools_.prefill, *best.prefill));
    spec.host_cache = 0;  // prefixes are found where prompts are computed
  }
  const SimulatedService main = engines(pools_.main, best.main);
  SimulatedReplica replica{{&main, best.main.instances}, {}, {}};
  if (prefill) {
    replica.prefill = {&*prefill, best.prefill->instances};
    replica.link = link_of(best.transfer);
  }
  SimulationQuestion question;
  question.workload = &asked_.workload;
  question.load = asked_.load;
  question.slo = scenario_.slo;
  question.simulation = scenario_.simulation;
  question.seed = scenario_.seed;
  question.output = mix_.output;
  double room = best.main.memory.largest_batch * best.main.instances;
  if (best.prefill) room += best.prefill->memory.largest_batch * best.prefill->instances;
  const SimulatedPoint found = find_simulated_point(replica, question, best.point, room);
  best.point = found.point;
  r.simulated = found.result;
}

void CandidateStudy::fill_times(const TrialModels& models, const DeploymentTrial& best,
                                CandidateResult& r, double& log_sd) const {
  const SteadyState& state = best.point.state;
  const StepTime decode = models.main.detail(state.decode_load);
  const StepTime mixed = models.prompts().detail(state.mixed_load);
  StepLoad prompt = state.mixed_load;
  prompt.decode_sequences = 0;
  const StepTime prefill = models.prompts().detail(prompt);
  r.decode_bound = bound_of(decode);
  r.prefill_bound = bound_of(prefill);
  add_operators("prefill", prefill, r);
  add_operators("decode", decode, r);

  const LatencyError error =
      latency_error(std::max(decode.log_sd, mixed.log_sd), scenario_.method,
                    candidate_.deployment.mtp_draft_tokens > 0, best.prefill.has_value());
  log_sd = error.tpot;
  Provenance provenance = worst(decode.provenance(), mixed.provenance());
  const bool experts_matter = mixed.of(OperatorClass::experts).seconds() >= 0.1 * mixed.seconds();
  if (experts_matter && candidate_.routing.popularity == RoutingSpec::Popularity::family) {
    provenance = worst(provenance, candidate_.popularity.confidence);
  }
  r.tpot = with_log_sd(state.tpot, log_sd, provenance);
  r.ttft = with_log_sd(state.ttft, error.ttft, worst(provenance, Provenance::extrapolated));
  r.end_to_end = with_log_sd(state.end_to_end, log_sd, provenance);
}

void CandidateStudy::fill_cost(const DeploymentTrials& trials, const TrialModels& models,
                               const DeploymentTrial& best, double log_sd,
                               CandidateResult& r) const {
  const int gpus = best.gpus();
  const OperatingPoint& point = best.point;
  const Provenance provenance = r.tpot.provenance;
  // The operating point itself moves with the step time and with what memory is left, so it is
  // found again at both ends of the band.
  const Estimate scale = with_log_sd(1, log_sd, provenance);
  // A simulated point keeps the closed form's band, in proportion.
  const double ratio = point.state.requests_per_second / best.closed_form.state.requests_per_second;
  const double crowd = point.state.in_flight / best.closed_form.state.in_flight;
  // On as many accelerators, if those of two pools are not the same there.
  struct End {
    OperatingPoint point;
    double gpus;
  };
  const auto scaled_at = [&](double time_scale, double batch) {
    const double central = best.main.memory.largest_batch * best.main.instances;
    const DeploymentTrial t = trials.rescaled(best, models, time_scale, batch / central);
    End e{t.point, static_cast<double>(t.gpus())};
    e.point.state.requests_per_second *= ratio * gpus / e.gpus;
    e.point.state.in_flight *= crowd * gpus / e.gpus;
    return e;
  };
  const End fast = scaled_at(scale.low, r.largest_batch.high),
            slow = scaled_at(scale.high, r.largest_batch.low);
  const auto band = [&](double low, double value, double high) {
    return Estimate{value, std::min({low, value, high}), std::max({low, value, high}), provenance};
  };
  r.requests_per_second =
      band(slow.point.state.requests_per_second, point.state.requests_per_second,
           fast.point.state.requests_per_second);
  r.batch = band(slow.point.state.in_flight, point.state.in_flight, fast.point.state.in_flight);
  r.input_tokens_per_second_per_gpu = scaled(r.requests_per_second, mix_.input / gpus);
  r.output_tokens_per_second_per_gpu = scaled(r.requests_per_second, mix_.output / gpus);

  const double utilisation = utilisation_of(candidate_.pricing);
  Delivery delivery{scaled(r.requests_per_second, mix_.input),
                    scaled(r.requests_per_second, mix_.output), static_cast<double>(gpus),
                    utilisation};
  if (scenario_.load.kind == LoadKind::rate) {
    // The service's rate is given; what is uncertain is how many replicas it takes.
    const auto share = [&](const End& e) {
      return static_cast<double>(best.closed_form.replicas) * gpus / (e.point.replicas * e.gpus);
    };
    const Estimate carried =
        scaled(band(share(slow), 1, share(fast)), point.state.requests_per_second * point.replicas);
    delivery = {scaled(carried, mix_.input), scaled(carried, mix_.output),
                static_cast<double>(gpus) * point.replicas, utilisation};
  }
  const UnitCost cost = unit_cost(delivery, r.price.usd_per_hour);
  const Estimate rate = r.cost.stack.total();
  r.gpu_hours_per_million_output_tokens = cost.gpu_hours_per_million_output;
  r.usd_per_million_output_tokens = product(cost.gpu_hours_per_million_output, rate);
  r.usd_per_million_tokens = product(cost.gpu_hours_per_million_total, rate);
  r.usd_per_hour = r.price.usd_per_hour * gpus * r.replicas;
  const double prefill_share = best.prefill ? static_cast<double>(best.prefill->gpus()) / gpus
                                            : share_of_prompts(models.main, point.state, mix_);
  r.cost = cost_of(candidate_, mix_,
                   {cost.gpu_hours_per_million_output, cost.gpu_hours_per_million_total,
                    scaled(r.requests_per_second, mix_.input + mix_.output), gpus, prefill_share,
                    r.kv_bytes_per_token});
  if (point.meets_slo && !slow.point.meets_slo) {
    r.assumptions.push_back(
        "At the slow end of the band no batch keeps the latency target; the high cost is that of "
        "one request at a "
        "time.");
  }
}

}  // namespace tollgate
