#include "sim/report/csv_report.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "sim/base/text.h"
#include "sim/report/facts.h"

namespace tollgate {
namespace {

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

using Row = std::vector<std::pair<std::string, std::string>>;

std::string number(double value) {
  return std::isfinite(value) && value >= 0 ? shortest(value) : "";
}

void add_estimate(Row& row, const std::string& name, const Estimate& e, bool known) {
  const bool shown = known && showable(e);
  row.emplace_back(name, shown ? number(e.value) : "");
  row.emplace_back(name + "_p10", shown ? number(e.low) : "");
  row.emplace_back(name + "_p90", shown ? number(e.high) : "");
}

/// Empty where one engine does everything.
void add_pools(Row& row, const CandidateResult& c) {
  const bool two = c.disaggregation.has_value();
  const DisaggregationResult d = c.disaggregation.value_or(DisaggregationResult{});
  const auto add = [&](const std::string& name, double value) {
    row.emplace_back(name, two ? number(value) : "");
  };
  for (const auto& [name, p] : {std::pair{"prefill", &d.prefill}, std::pair{"decode", &d.decode}}) {
    const std::string pool = name;
    add(pool + "_instances", p->instances);
    add(pool + "_gpus_per_instance", p->gpus);
    add(pool + "_tensor", p->tensor);
    add(pool + "_pipeline", p->pipeline);
    add(pool + "_expert", p->expert);
    add(pool + "_data_attention", p->data_attention);
    add(pool + "_memory_weights_bytes", p->memory.weights.value);
    add(pool + "_memory_kv_cache_bytes", p->memory.kv_cache.value);
    add(pool + "_sequences_per_instance", p->sequences);
    add(pool + "_most_requests_per_second", p->most_requests_per_second);
  }
  row.emplace_back("limiting_pool", d.limiting);
  row.emplace_back("transfer_link", d.link);
  add("transfer_bytes_per_prompt", d.bytes_per_prompt);
  add("transfer_seconds", d.sending);
}

Row row_of(const RunResult& result, const CandidateResult& c) {
  const bool runs = has_operating_point(c);
  Row row;
  const auto text = [&](const char* name, const std::string& value) {
    row.emplace_back(name, value);
  };
  const auto estimate = [&](const char* name, const Estimate& e) {
    add_estimate(row, name, e, runs);
  };
  const auto memory = [&](const char* name, const Estimate& e, bool known) {
    row.emplace_back(name, known && showable(e) ? number(e.value) : "");
  };
  text("scenario", result.scenario);
  text("candidate", c.name);
  text("model", c.model);
  text("hardware", c.hardware);
  text("fits", c.fits ? "true" : "false");
  text("meets_slo", c.meets_slo ? "true" : "false");
  text("reason", c.reason);
  text("limited_by", c.limited_by);
  text("gpus_per_replica", std::to_string(c.gpus));
  text("replicas", std::to_string(c.replicas));
  text("tensor", std::to_string(c.tensor));
  text("pipeline", std::to_string(c.pipeline));
  text("expert", std::to_string(c.expert));
  text("data_attention", std::to_string(c.data_attention));
  text("precision", c.precision);
  text("total_parameters", number(c.total_parameters));
  text("active_parameters", number(c.active_parameters));
  text("kv_bytes_per_token", number(c.kv_bytes_per_token));
  memory("memory_capacity_bytes", c.memory.capacity, true);
  memory("memory_weights_bytes", c.memory.weights, true);
  memory("memory_kv_cache_bytes", c.memory.kv_cache, c.fits);
  memory("memory_recurrent_state_bytes", c.memory.recurrent_state, c.fits);
  memory("memory_activations_bytes", c.memory.activations, true);
  memory("memory_runtime_overhead_bytes", c.memory.runtime_overhead, true);
  memory("memory_free_bytes", c.memory.free, c.fits);
  memory("largest_batch_sequences", c.largest_batch, c.fits);
  estimate("batch_sequences", c.batch);
  estimate("input_tokens_per_second_per_gpu", c.input_tokens_per_second_per_gpu);
  estimate("output_tokens_per_second_per_gpu", c.output_tokens_per_second_per_gpu);
  estimate("requests_per_second_per_replica", c.requests_per_second);
  estimate("ttft_seconds", c.ttft);
  estimate("tpot_seconds", c.tpot);
  estimate("end_to_end_seconds", c.end_to_end);
  text("prefill_bound", runs ? c.prefill_bound.name : "");
  text("decode_bound", runs ? c.decode_bound.name : "");
  estimate("gpu_hours_per_million_output_tokens", c.gpu_hours_per_million_output_tokens);
  estimate("usd_per_million_output_tokens", c.usd_per_million_output_tokens);
  estimate("usd_per_million_tokens", c.usd_per_million_tokens);
  text("cost_provenance",
       runs ? std::string(to_string(c.usd_per_million_output_tokens.provenance)) : "");
  text("price_usd_per_gpu_hour", number(c.price.usd_per_hour));
  text("price_level", c.price.level);
  text("price_date", c.price.date);
  text("price_from", c.price.from);
  text("usd_per_hour_of_service", c.fits ? number(c.usd_per_hour) : "");
  const auto signed_number = [&](const char* name, bool known, double value) {
    text(name, known && std::isfinite(value) ? shortest(value) : "");
  };
  text("utilisation", runs ? number(c.cost.utilisation) : "");
  text("allocation", runs ? std::string(to_string(c.cost.rule)) : "");
  for (const char* name : {"input", "cached input", "output"}) {
    const auto line = std::find_if(c.cost.classes.begin(), c.cost.classes.end(),
                                   [&](const ClassCost& k) { return k.name == name; });
    const bool known = runs && line != c.cost.classes.end();
    std::string key = name;
    std::replace(key.begin(), key.end(), ' ', '_');
    add_estimate(row, "allocated_usd_per_million_" + key + "_tokens",
                 known ? line->usd : Estimate{}, known);
  }
  const bool powered = runs && c.cost.energy.kwh_per_million.value > 0;
  add_estimate(row, "kwh_per_million_output_tokens", c.cost.energy.kwh_per_million, powered);
  add_estimate(row, "kg_co2_per_million_output_tokens", c.cost.energy.kg_co2_per_million,
               powered && c.cost.carbon_known);
  const bool sold = runs && c.cost.sales.has_value();
  const SalesResult sales = sold ? *c.cost.sales : SalesResult{};
  text("tariff_seller", sales.price.seller);
  text("tariff_date", sales.price.date);
  text("blended_price_usd_per_million_tokens", sold ? number(sales.price_per_million) : "");
  signed_number("gross_margin", sold, sales.gross_margin.value);
  signed_number("markup", sold, sales.markup.value);
  add_estimate(row, "break_even_utilisation", sales.break_even_utilisation, sold);
  signed_number("profit_usd_per_gpu_hour", sold, sales.profit_per_gpu_hour.value);
  add_pools(row, c);
  text("inputs_digest", result.inputs_digest);
  return row;
}

}  // namespace

std::string csv_report(const RunResult& result) {
  std::string out;
  const auto line = [&](const Row& row, bool names) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) out += ',';
      out += field(names ? row[i].first : row[i].second);
    }
    out += "\r\n";
  };
  line(row_of(result, CandidateResult{}), true);
  for (const CandidateResult& candidate : result.candidates) line(row_of(result, candidate), false);
  return out;
}

}  // namespace tollgate
