#include "sim/report/json_report.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/report/cost_json.h"
#include "sim/report/facts.h"
#include "sim/report/version.h"

namespace tollgate {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) && value >= 0 ? Json(value + 0.0) : Json(nullptr);
}

Json estimate(const Estimate& e, const char* unit) {
  if (!showable(e)) return nullptr;
  return {{"value", e.value},
          {"low", e.low},
          {"high", e.high},
          {"unit", unit},
          {"provenance", to_string(e.provenance)}};
}

Json length_json(const LengthSpec& length) {
  static constexpr const char* kinds[] = {"fixed", "uniform", "lognormal", "quantiles"};
  return {{"kind", kinds[static_cast<int>(length.kind)]},
          {"mean_tokens", number(length.average())}};
}

Json workload_json(const RunResult& result) {
  Json classes = Json::array();
  for (const RequestClass& request : result.workload) {
    classes.push_back({{"name", request.name},
                       {"weight", number(request.weight)},
                       {"input", length_json(request.input)},
                       {"output", length_json(request.output)},
                       {"prefix_hit_rate", number(request.prefix_hit_rate)}});
  }
  return {{"mean_input_tokens", number(result.mean_input)},
          {"mean_cached_tokens", number(result.mean_cached)},
          {"mean_output_tokens", number(result.mean_output)},
          {"classes", classes}};
}

Json load_json(const LoadSpec& load) {
  static constexpr const char* kinds[] = {"saturate", "concurrency", "rate", "trace"};
  Json json{{"kind", kinds[static_cast<int>(load.kind)]}};
  if (load.kind == LoadKind::concurrency) json["concurrency"] = number(load.concurrency);
  if (load.kind == LoadKind::rate || load.kind == LoadKind::trace) {
    json["requests_per_second"] = number(load.rate);
  }
  if (load.kind == LoadKind::trace) json["trace"] = load.trace;
  return json;
}

Json slo_json(const SloSpec& slo) {
  return {{"ttft_seconds", slo.ttft > 0 ? number(slo.ttft) : Json(nullptr)},
          {"tpot_seconds", slo.tpot > 0 ? number(slo.tpot) : Json(nullptr)}};
}

Json memory_json(const MemoryResult& m, bool fits) {
  return {{"capacity", estimate(m.capacity, "B")},
          {"weights", estimate(m.weights, "B")},
          {"kv_cache", fits ? estimate(m.kv_cache, "B") : Json(nullptr)},
          {"recurrent_state", fits ? estimate(m.recurrent_state, "B") : Json(nullptr)},
          {"activations", estimate(m.activations, "B")},
          {"runtime_overhead", estimate(m.runtime_overhead, "B")},
          {"free", fits ? estimate(m.free, "B") : Json(nullptr)}};
}

Json bound_json(const BoundResult& b) {
  return {{"name", b.name},
          {"shares",
           {{"compute", number(b.compute)},
            {"hbm", number(b.hbm)},
            {"interconnect", number(b.interconnect)},
            {"imbalance", number(b.imbalance)},
            {"host", number(b.host)}}}};
}

Json operators_json(const CandidateResult& c) {
  Json list = Json::array();
  for (const OperatorShare& o : c.operators) {
    list.push_back({{"phase", o.phase},
                    {"name", o.name},
                    {"seconds_per_step", number(o.seconds)},
                    {"low", number(o.low)},
                    {"high", number(o.high)},
                    {"bound", o.bound},
                    {"provenance", to_string(o.provenance)}});
  }
  return list;
}

Json link_json(const LinkBytes& b) {
  if (b.max <= 0) return nullptr;
  return {{"mean", number(b.mean)},
          {"p50", number(b.p50)},
          {"p95", number(b.p95)},
          {"max", number(b.max)},
          {"unit", "B"}};
}

Json phase_json(const PhaseRouting& p) {
  if (p.tokens <= 0) return nullptr;
  return {{"tokens", number(p.tokens)},
          {"busiest_rank_mean", number(p.busiest_mean)},
          {"busiest_rank_p50", number(p.busiest_p50)},
          {"busiest_rank_p95", number(p.busiest_p95)},
          {"busiest_rank_max", number(p.busiest_max)},
          {"weights_read_on_a_rank", number(p.weights_read)},
          {"ranks_per_token", number(p.ranks_per_token)},
          {"nodes_per_token", number(p.nodes_per_token)},
          {"busiest_scale_up_link", link_json(p.scale_up)},
          {"busiest_network_card", link_json(p.network)}};
}

Json step_json(const StepSeconds& s) {
  return {{"mean", number(s.mean)}, {"p50", number(s.p50)}, {"p95", number(s.p95)}, {"unit", "s"}};
}

Json routing_json(const CandidateResult& c) {
  Json list = Json::array();
  for (const RoutingResult& r : c.routing) {
    list.push_back({{"ffn", r.ffn},
                    {"experts", r.experts},
                    {"top_k", r.top_k},
                    {"ranks", r.ranks},
                    {"tokens", number(r.tokens)},
                    {"busiest_rank_ratio", number(r.busiest_rank_ratio)},
                    {"busiest_rank_p95", number(r.busiest_rank_p95)},
                    {"distinct_experts", number(r.distinct_experts)},
                    {"distinct_ranks_per_token", number(r.distinct_ranks_per_token)},
                    {"decode", phase_json(r.decode)},
                    {"prefill", phase_json(r.prefill)}});
  }
  return list;
}

Json deployment_json(const CandidateResult& c) {
  return {{"gpus_per_replica", c.gpus}, {"replicas", c.replicas},
          {"tensor", c.tensor},         {"pipeline", c.pipeline},
          {"expert", c.expert},         {"data_attention", c.data_attention},
          {"precision", c.precision},   {"two_batch_overlap", c.two_batches}};
}

Json pool_json(const PoolResult& p) {
  return {{"instances", p.instances},
          {"gpus_per_instance", p.gpus},
          {"tensor", p.tensor},
          {"pipeline", p.pipeline},
          {"expert", p.expert},
          {"data_attention", p.data_attention},
          {"memory", memory_json(p.memory, true)},
          {"largest_batch", estimate(p.largest_batch, "sequences")},
          {"sequences_per_instance", number(p.sequences)},
          {"most_requests_per_second", number(p.most_requests_per_second)}};
}

/// Null where one engine does everything.
Json disaggregation_json(const CandidateResult& c) {
  if (!c.disaggregation) return nullptr;
  const DisaggregationResult& d = *c.disaggregation;
  Json prefill = pool_json(d.prefill);
  prefill["busy"] = number(d.prefill.busy);
  return {{"prefill", prefill},
          {"decode", pool_json(d.decode)},
          {"limiting", d.limiting},
          {"transfer",
           {{"link", d.link},
            {"bytes_per_prompt", number(d.bytes_per_prompt)},
            {"seconds_per_prompt", number(d.seconds_per_prompt)},
            {"seconds_with_waiting", number(d.sending)},
            {"most_requests_per_second", number(d.link_requests_per_second)}}}};
}

Json price_json(const CandidateResult& c) {
  return {{"hardware", c.price.hardware},
          {"level", c.price.level},
          {"usd_per_gpu_hour", number(c.price.usd_per_hour)},
          {"date", c.price.date},
          {"from", c.price.from},
          {"usd_per_hour_of_service", c.fits ? number(c.usd_per_hour) : Json(nullptr)}};
}

Json interval(const SeedInterval& i) {
  return {{"mean", number(i.mean)}, {"half_width_95", number(i.half_width)}};
}

Json latency_json(const SimulatedLatency& l) {
  return {{"mean", interval(l.mean)},
          {"p50", interval(l.p50)},
          {"p90", interval(l.p90)},
          {"p95", interval(l.p95)},
          {"p99", interval(l.p99)},
          {"max", interval(l.max)},
          {"unit", "s"}};
}

/// Rates are per replica.
Json simulated_json(const SimulatedResult& s) {
  static constexpr const char* verdicts[] = {"stable", "backlogged", "overloaded"};
  Json classes = Json::array();
  for (const SimulatedClass& c : s.classes) {
    classes.push_back({{"name", c.name},
                       {"requests_per_second", interval(c.requests_per_second)},
                       {"attained", interval(c.attained)},
                       {"ttft", latency_json(c.ttft)},
                       {"tpot", latency_json(c.tpot)},
                       {"end_to_end", latency_json(c.end_to_end)}});
  }
  Json timeline = Json::array();
  for (const LoadSample& t : s.timeline) {
    timeline.push_back(
        {{"seconds", number(to_seconds(t.at))},
         {"running", t.running},
         {"waiting", t.waiting},
         {"cache_share", s.cache_blocks > 0 ? number(static_cast<double>(t.blocks) /
                                                     static_cast<double>(s.cache_blocks))
                                            : Json(nullptr)},
         {"prompt_tokens_per_second", number(static_cast<double>(t.prompt_tokens) / s.interval)},
         {"output_tokens_per_second", number(static_cast<double>(t.tokens) / s.interval)}});
  }
  return {{"seeds", s.seeds},
          {"requests", s.requests},
          {"replicas", s.replicas},
          {"warm_up_seconds", number(s.warm_up)},
          {"window_seconds", number(s.window)},
          {"requests_per_second", interval(s.requests_per_second)},
          {"input_tokens_per_second", interval(s.input_tokens_per_second)},
          {"output_tokens_per_second", interval(s.output_tokens_per_second)},
          {"goodput", interval(s.goodput)},
          {"attained", interval(s.attained)},
          {"ttft", latency_json(s.ttft)},
          {"tpot", latency_json(s.tpot)},
          {"itl", latency_json(s.itl)},
          {"end_to_end", latency_json(s.end_to_end)},
          {"cache_hit_rate", interval(s.hit_rate)},
          {"preemptions_per_request", interval(s.preempted)},
          {"requests_cut", s.cut},
          {"verdict", verdicts[static_cast<int>(s.saturation)]},
          {"verdict_reason", s.reason},
          {"classes", classes},
          {"closed_form",
           {{"requests_per_second", number(s.analytic_requests_per_second)},
            {"ttft", number(s.analytic_ttft)},
            {"tpot", number(s.analytic_tpot)}}},
          {"timeline", timeline}};
}

Json candidate_json(const CandidateResult& c) {
  const bool runs = has_operating_point(c);
  const auto at_point = [&](const Estimate& e, const char* unit) {
    return runs ? estimate(e, unit) : Json(nullptr);
  };
  Json json;
  json["name"] = c.name;
  json["model"] = c.model;
  json["hardware"] = c.hardware;
  json["total_parameters"] = number(c.total_parameters);
  json["active_parameters"] = number(c.active_parameters);
  json["kv_bytes_per_token"] = number(c.kv_bytes_per_token);
  json["fits"] = c.fits;
  json["meets_slo"] = c.meets_slo;
  json["reason"] = c.reason;
  json["limited_by"] = c.limited_by;
  json["deployment"] = deployment_json(c);
  json["disaggregation"] = disaggregation_json(c);
  json["memory"] = memory_json(c.memory, c.fits);
  json["largest_batch"] = c.fits ? estimate(c.largest_batch, "sequences") : Json(nullptr);
  json["batch"] = at_point(c.batch, "sequences");
  json["throughput"] = {
      {"input_tokens_per_second_per_gpu", at_point(c.input_tokens_per_second_per_gpu, "tokens/s")},
      {"output_tokens_per_second_per_gpu",
       at_point(c.output_tokens_per_second_per_gpu, "tokens/s")},
      {"requests_per_second_per_replica", at_point(c.requests_per_second, "1/s")}};
  json["latency"] = {{"ttft", at_point(c.ttft, "s")},
                     {"tpot", at_point(c.tpot, "s")},
                     {"end_to_end", at_point(c.end_to_end, "s")}};
  json["bound"] =
      runs ? Json{{"prefill", bound_json(c.prefill_bound)}, {"decode", bound_json(c.decode_bound)}}
           : Json(nullptr);
  json["operators"] = operators_json(c);
  json["routing"] = routing_json(c);
  json["steps"] = runs && !c.routing.empty() ? Json{{"decode", step_json(c.decode_step)},
                                                    {"prefill", step_json(c.prefill_step)}}
                                             : Json(nullptr);
  if (c.simulated) json["simulated"] = simulated_json(*c.simulated);
  json["gpu_hours_per_million_output_tokens"] =
      at_point(c.gpu_hours_per_million_output_tokens, "GPU h");
  json["usd_per_million_output_tokens"] = at_point(c.usd_per_million_output_tokens, "USD");
  json["usd_per_million_tokens"] = at_point(c.usd_per_million_tokens, "USD");
  json["price"] = price_json(c);
  json["cost"] = cost_json(c);
  json["assumptions"] = c.assumptions;
  return json;
}

}  // namespace

std::string json_report(const RunResult& result) {
  Json json;
  json["format_version"] = run_format_version;
  json["tool_version"] = tool_version;
  json["inputs_digest"] = result.inputs_digest;
  json["scenario"] = result.scenario;
  json["question"] = result.question;
  json["workload"] = workload_json(result);
  json["load"] = load_json(result.load);
  json["slo"] = slo_json(result.slo);
  const bool found =
      result.cheapest >= 0 && result.cheapest < static_cast<int>(result.candidates.size());
  json["cheapest"] = found ? Json(result.candidates[static_cast<std::size_t>(result.cheapest)].name)
                           : Json(nullptr);
  json["candidates"] = Json::array();
  for (const CandidateResult& candidate : result.candidates)
    json["candidates"].push_back(candidate_json(candidate));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tollgate
