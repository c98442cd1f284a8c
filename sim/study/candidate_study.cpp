#include "sim/study/candidate_study.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "sim/base/text.h"
#include "sim/pricing/product.h"
#include "sim/pricing/unit_cost.h"
#include "sim/study/assumptions.h"
#include "sim/study/closed_form_limits.h"
#include "sim/study/cost_study.h"
#include "sim/study/routing_facts.h"
#include "sim/study/simulated_point.h"

namespace tollgate {
namespace {

/// Log-sd of workspace and runtime memory, which are conventions of engines, not counted.
constexpr double memory_log_sd = 0.25;

constexpr int most_replicas = 1'000'000;

double gpu_hours_of(const Deployment& d, const OperatingPoint& point, const WorkloadMix& mix) {
  const double tokens = point.state.requests_per_second * mix.output * point.replicas;
  return gpu_hours_per_million(exactly(tokens), static_cast<double>(d.gpus()) * point.replicas, 1)
      .value;
}

std::string gigabytes(double bytes) { return fixed(bytes / 1e9, bytes < 10e9 ? 1 : 0) + " GB"; }

std::string describe_precision(const PrecisionMap& p, const LlmSpec& model) {
  const bool mixture = std::any_of(model.ffns.begin(), model.ffns.end(),
                                   [](const FfnSpec& f) { return f.kind == FfnKind::moe; });
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
double prefill_share(const StepModel& model, const SteadyState& state, const WorkloadMix& mix) {
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

}  // namespace

/// One deployment with everything worked out.
struct CandidateStudy::Trial {
  Deployment deployment;
  MemoryPlan memory;
  OperatingPoint point;
  double gpu_hours = 0;        ///< per million output tokens
  OperatingPoint closed_form;  ///< `point`, unless that was simulated

  bool better_than(const Trial& other) const {
    if (point.meets_slo != other.point.meets_slo) return point.meets_slo;
    const double a = gpu_hours, b = other.gpu_hours;
    if (point.meets_slo && std::fabs(a - b) > 1e-9 * b) return a < b;
    return point.state.end_to_end < other.point.state.end_to_end * (1 - 1e-12);
  }
};

CandidateStudy::CandidateStudy(const Scenario& scenario, const Scenario& asked,
                               const CandidateSpec& candidate, const WorkloadMix& mix,
                               std::int64_t context, const EngineCurves& curves)
    : scenario_(scenario),
      asked_(asked),
      candidate_(candidate),
      mix_(mix),
      context_(context),
      curves_(curves),
      precision_(deployed_precision(candidate.model, candidate.deployment)),
      limits_(scheduler_limits(candidate.engine, candidate.deployment)) {}

MemoryPlan CandidateStudy::memory(const Deployment& d) const {
  return plan_memory(
      candidate_.model, candidate_.hardware, d, precision_, candidate_.deployment, scenario_.method,
      resident_context(),
      candidate_.engine.resident_tokens(candidate_.deployment.batched_tokens, d.data_attention));
}

double CandidateStudy::resident_context() const {
  return candidate_.engine.policy == SchedulingPolicy::no_evict ? mix_.reserved_context
                                                                : mix_.decode_context;
}

std::vector<Deployment> CandidateStudy::that_fit(const std::vector<Deployment>& deployments) const {
  std::vector<Deployment> out;
  std::copy_if(deployments.begin(), deployments.end(), std::back_inserter(out),
               [&](const Deployment& d) { return memory(d).fits(); });
  return out;
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
  r.precision = describe_precision(precision_, model);
  const ParameterCount count = count_parameters(model);
  r.total_parameters = count.total();
  r.active_parameters = count.active(true);
  r.kv_bytes_per_token = kv_bytes_per_token(model, precision_);
  return r;
}

CandidateResult CandidateStudy::explain_misfit(const std::vector<Deployment>& tried) const {
  CandidateResult r = describe();
  r.limited_by = "memory";
  if (tried.empty()) {
    r.reason =
        "no deployment agrees with the sizes given: heads must divide by tensor, experts by expert "
        "ranks, and "
        "gpus by all.";
    r.limited_by = "deployment";
    return r;
  }
  const Deployment& roomiest =
      *std::max_element(tried.begin(), tried.end(), [&](const auto& a, const auto& b) {
        return memory(a).for_sequences < memory(b).for_sequences;
      });
  const MemoryPlan plan = memory(roomiest);
  const std::string on =
      "on " + std::to_string(roomiest.gpus()) + " x " + candidate_.hardware.name + " ";
  if (plan.for_sequences <= 0) {
    r.reason = on + "weights, workspace and runtime need " +
               gigabytes(plan.weights + plan.activations + plan.runtime_overhead) +
               " per GPU, of " + gigabytes(plan.capacity) + " usable.";
  } else {
    r.reason = on + gigabytes(plan.for_sequences) +
               " per GPU are left after weights, but one sequence of " +
               fixed(resident_context(), 0) + " tokens needs " + gigabytes(plan.per_sequence()) +
               ".";
  }
  fill_memory(plan, 0, roomiest, r);
  fill_deployment(roomiest, r);
  return r;
}

void CandidateStudy::fill_deployment(const Deployment& d, CandidateResult& r) const {
  r.gpus = d.gpus();
  r.tensor = d.tensor;
  r.pipeline = d.pipeline;
  r.expert = d.expert;
  r.data_attention = d.data_attention;
}

void CandidateStudy::fill_memory(const MemoryPlan& plan, double sequences, const Deployment& d,
                                 CandidateResult& r) const {
  const double per_group = sequences / d.data_attention;
  MemoryResult& m = r.memory;
  m.capacity = exactly(plan.capacity);
  m.weights = exactly(plan.weights);
  m.kv_cache = exactly(plan.kv_per_sequence * per_group);
  m.recurrent_state = exactly(plan.state_per_sequence * per_group);
  m.activations = with_log_sd(plan.activations, memory_log_sd, Provenance::assumed);
  m.runtime_overhead = with_log_sd(plan.runtime_overhead, memory_log_sd, Provenance::assumed);
  const Estimate reserved = sum(m.activations, m.runtime_overhead);
  const double free = std::max(0.0, plan.for_sequences - plan.per_sequence() * per_group);
  m.free = {free, std::max(0.0, free + reserved.value - reserved.high),
            free + reserved.value - reserved.low, Provenance::assumed};
  r.largest_batch = exactly(plan.largest_batch);
  if (plan.per_sequence() <= 0) return;
  const auto batch = [&](double room) {
    const double in_memory =
        std::floor(std::max(0.0, room) / plan.per_sequence()) * d.data_attention;
    const double cap = candidate_.deployment.max_batch;
    return std::min({in_memory, plan.scheduler_batch, cap > 0 ? cap : in_memory});
  };
  r.largest_batch = {
      plan.largest_batch,
      std::min(plan.largest_batch, batch(plan.for_sequences + reserved.value - reserved.high)),
      std::max(plan.largest_batch, batch(plan.for_sequences + reserved.value - reserved.low)),
      Provenance::assumed};
}

std::string CandidateStudy::reason_of(const Trial& best) const {
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

CandidateResult CandidateStudy::report(const std::vector<Deployment>& fitting,
                                       const RoutingTables& routing,
                                       const std::string& note) const {
  const auto step_model = [&](const Deployment& d) {
    return StepModel(candidate_.model, curves_, d, precision_, candidate_.deployment,
                     candidate_.engine, routing, mix_.contexts);
  };
  std::optional<Trial> best;
  for (const Deployment& d : fitting) {
    Trial trial{d, memory(d), {}, 0, {}};
    trial.point = find_operating_point(step_model(d), trial.memory, mix_, limits_, scenario_.load,
                                       scenario_.slo);
    trial.gpu_hours = gpu_hours_of(d, trial.point, mix_);
    if (!best || trial.better_than(*best)) best = trial;
  }
  if (best->point.replicas > most_replicas) {
    throw InputError(place_of(scenario_.load.places, "rate"),
                     "load.rate is " + significant(scenario_.load.rate, 4) +
                         " req/s, which takes " + candidate_.name +
                         " more than a million replicas.");
  }

  CandidateResult r = describe();
  const Deployment& d = best->deployment;
  const StepModel model = step_model(d);
  best->closed_form = best->point;
  if (scenario_.fidelity == Fidelity::simulated) simulate(routing, *best, r);
  r.fits = true;
  r.meets_slo = best->point.meets_slo;
  r.limited_by = best->point.limited_by;
  r.replicas = best->point.replicas;
  fill_deployment(d, r);
  fill_memory(best->memory, std::min(best->point.state.resident, best->memory.largest_batch), d, r);
  double log_sd = 0;
  fill_times(model, *best, r, log_sd);
  for (std::size_t i = 0; i < routing.size(); ++i) {
    const FfnSpec& ffn = candidate_.model.ffns[i];
    const RoutingTable* table = routing[i].at(d.expert).decode;
    if (!table) continue;
    const double tokens =
        best->point.state.decode_load.decode_sequences * model.tokens_per_sequence();
    const RoutingTable::Point p = table->at(std::max(1.0, tokens));
    r.routing.push_back({ffn.name, ffn.experts, ffn.top_k, d.expert, tokens, p.busiest_ratio,
                         p.distinct, table->destination_ranks(), p.busiest_ratio_p95});
    if (!routing[i].routed) continue;
    r.routing.back().decode =
        decode_routing(candidate_, ffn, precision_, d, routing[i], std::max(1.0, tokens));
    r.routing.back().prefill =
        prefill_routing(candidate_, ffn, precision_, d, routing[i],
                        std::max(1.0, best->point.state.mixed_load.prefill_tokens));
  }
  if (!r.routing.empty()) {
    const auto step = [&](const StepModel& m, double StepSeconds::*member) {
      StepLoad prompt = best->point.state.mixed_load;
      prompt.decode_sequences = 0;
      r.decode_step.*member = m.seconds(best->point.state.decode_load);
      r.prefill_step.*member = m.seconds(prompt);
    };
    const auto at = [&](RoutingTable::Step which, double StepSeconds::*member) {
      const RoutingTables tables = of_step(routing, which);
      step(StepModel(candidate_.model, curves_, d, precision_, candidate_.deployment,
                     candidate_.engine, tables, mix_.contexts),
           member);
    };
    step(model, &StepSeconds::mean);
    at(RoutingTable::Step::p50, &StepSeconds::p50);
    at(RoutingTable::Step::p95, &StepSeconds::p95);
  }
  fill_cost(model, *best, log_sd, r);
  r.reason = reason_of(*best) + note;
  const auto assumptions =
      assumptions_of(candidate_, precision_, d, mix_, model, scenario_.fidelity);
  r.assumptions.insert(r.assumptions.end(), assumptions.begin(), assumptions.end());
  const ClosedFormCaveat caveat = closed_form_caveat(asked_, candidate_, d, mix_);
  if (!r.simulated && !caveat.sentence.empty()) r.assumptions.push_back(caveat.sentence);
  if (r.simulated) {
    r.assumptions.push_back(
        "The deployment is the best of the closed form; breakdowns and bands are the closed "
        "form's, "
        "in proportion.");
  }
  return r;
}

void CandidateStudy::simulate(const RoutingTables& routing, Trial& best, CandidateResult& r) const {
  const SimulatedService service(candidate_, best.deployment, precision_, curves_, routing,
                                 mix_.contexts, best.memory, resident_context(), context_,
                                 asked_.simulation);
  SimulationQuestion question;
  question.workload = &asked_.workload;
  question.load = asked_.load;
  question.slo = scenario_.slo;
  question.simulation = scenario_.simulation;
  question.seed = scenario_.seed;
  question.output = mix_.output;
  const SimulatedPoint found =
      find_simulated_point(service, question, best.point, best.memory.largest_batch);
  best.point = found.point;
  r.simulated = found.result;
}

void CandidateStudy::fill_times(const StepModel& model, const Trial& best, CandidateResult& r,
                                double& log_sd) const {
  const SteadyState& state = best.point.state;
  const StepTime decode = model.detail(state.decode_load);
  const StepTime mixed = model.detail(state.mixed_load);
  StepLoad prompt = state.mixed_load;
  prompt.decode_sequences = 0;
  const StepTime prefill = model.detail(prompt);
  r.decode_bound = bound_of(decode);
  r.prefill_bound = bound_of(prefill);
  add_operators("prefill", prefill, r);
  add_operators("decode", decode, r);

  log_sd = std::hypot(std::max(decode.log_sd, mixed.log_sd), scenario_.method.serving_log_sd);
  Provenance provenance = worst(decode.provenance(), mixed.provenance());
  const bool experts_matter = mixed.of(OperatorClass::experts).seconds() >= 0.1 * mixed.seconds();
  if (experts_matter && candidate_.routing.popularity == RoutingSpec::Popularity::family) {
    provenance = worst(provenance, candidate_.popularity.confidence);
  }
  r.tpot = with_log_sd(state.tpot, log_sd, provenance);
  r.ttft = with_log_sd(state.ttft, std::hypot(log_sd, ttft_log_sd),
                       worst(provenance, Provenance::extrapolated));
  r.end_to_end = with_log_sd(state.end_to_end, log_sd, provenance);
}

void CandidateStudy::fill_cost(const StepModel& model, const Trial& best, double log_sd,
                               CandidateResult& r) const {
  const Deployment& d = best.deployment;
  const OperatingPoint& point = best.point;
  const Provenance provenance = r.tpot.provenance;
  // The operating point itself moves with the step time and with what memory is left, so it is
  // found again at both ends of the band.
  const Estimate scale = with_log_sd(1, log_sd, provenance);
  const auto at = [&](double time_scale, double batch) {
    MemoryPlan plan = best.memory;
    plan.largest_batch = std::max(1.0, batch);
    return find_operating_point(model, plan, mix_, limits_, scenario_.load, scenario_.slo,
                                time_scale);
  };
  // A simulated point keeps the closed form's band, in proportion.
  const double ratio = point.state.requests_per_second / best.closed_form.state.requests_per_second;
  const double crowd = point.state.in_flight / best.closed_form.state.in_flight;
  const auto scaled_at = [&](double time_scale, double batch) {
    OperatingPoint p = at(time_scale, batch);
    p.state.requests_per_second *= ratio;
    p.state.in_flight *= crowd;
    return p;
  };
  const OperatingPoint fast = scaled_at(scale.low, r.largest_batch.high),
                       slow = scaled_at(scale.high, r.largest_batch.low);
  const auto band = [&](double low, double value, double high) {
    return Estimate{value, std::min({low, value, high}), std::max({low, value, high}), provenance};
  };
  r.requests_per_second = band(slow.state.requests_per_second, point.state.requests_per_second,
                               fast.state.requests_per_second);
  r.batch = band(slow.state.in_flight, point.state.in_flight, fast.state.in_flight);
  r.input_tokens_per_second_per_gpu = scaled(r.requests_per_second, mix_.input / d.gpus());
  r.output_tokens_per_second_per_gpu = scaled(r.requests_per_second, mix_.output / d.gpus());

  const double utilisation = utilisation_of(candidate_.pricing);
  Delivery delivery{scaled(r.requests_per_second, mix_.input),
                    scaled(r.requests_per_second, mix_.output), static_cast<double>(d.gpus()),
                    utilisation};
  if (scenario_.load.kind == LoadKind::rate) {
    // The service's rate is given; what is uncertain is how many replicas it takes.
    const auto share = [&](const OperatingPoint& p) {
      return static_cast<double>(best.closed_form.replicas) / p.replicas;
    };
    const Estimate carried =
        scaled(band(share(slow), 1, share(fast)), point.state.requests_per_second * point.replicas);
    delivery = {scaled(carried, mix_.input), scaled(carried, mix_.output),
                static_cast<double>(d.gpus()) * point.replicas, utilisation};
  }
  const UnitCost cost = unit_cost(delivery, r.price.usd_per_hour);
  const Estimate rate = r.cost.stack.total();
  r.gpu_hours_per_million_output_tokens = cost.gpu_hours_per_million_output;
  r.usd_per_million_output_tokens = product(cost.gpu_hours_per_million_output, rate);
  r.usd_per_million_tokens = product(cost.gpu_hours_per_million_total, rate);
  r.usd_per_hour = r.price.usd_per_hour * d.gpus() * r.replicas;
  r.cost = cost_of(candidate_, mix_,
                   {cost.gpu_hours_per_million_output, cost.gpu_hours_per_million_total,
                    scaled(r.requests_per_second, mix_.input + mix_.output), d.gpus(),
                    prefill_share(model, point.state, mix_), r.kv_bytes_per_token});
  if (point.meets_slo && !slow.meets_slo) {
    r.assumptions.push_back(
        "At the slow end of the band no batch keeps the latency target; the high cost is that of "
        "one request at a "
        "time.");
  }
}

}  // namespace tollgate
