#include "sim/report/cost_json.h"

#include <cmath>

#include "sim/report/facts.h"

namespace tollgate {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value + 0.0) : Json(nullptr); }

Json number(const std::optional<double>& value) { return value ? number(*value) : Json(nullptr); }

Json estimate(const Estimate& e, const char* unit) {
  if (!std::isfinite(e.value) || !std::isfinite(e.low) || !std::isfinite(e.high)) return nullptr;
  return {{"value", e.value},
          {"low", e.low},
          {"high", e.high},
          {"unit", unit},
          {"provenance", to_string(e.provenance)}};
}

Json stack_json(const CostStack& stack) {
  Json lines = Json::array();
  for (const CostLine& line : stack.lines) {
    lines.push_back({{"name", line.name},
                     {"usd_per_gpu_hour", estimate(line.usd_per_gpu_hour, "USD")},
                     {"date", line.date},
                     {"from", line.source}});
  }
  return {{"level", stack.level},
          {"usd_per_gpu_hour", estimate(stack.total(), "USD")},
          {"lines", lines}};
}

Json classes_json(const CostResult& c) {
  Json list = Json::array();
  for (const ClassCost& line : c.classes) {
    list.push_back(
        {{"class", line.name},
         {"tokens_per_request", number(line.tokens)},
         {"gpu_hours_per_million", estimate(line.gpu_hours, "GPU h")},
         {"usd_per_million", estimate(line.usd, "USD")},
         {"price_usd_per_million", number(line.price)},
         {"gross_margin", line.margin ? number(line.margin->gross_margin) : Json(nullptr)},
         {"markup", line.margin ? number(line.margin->markup) : Json(nullptr)}});
  }
  return list;
}

Json energy_json(const CostResult& c) {
  const TokenEnergy& e = c.energy;
  if (e.kwh_per_million.value <= 0) return nullptr;
  return {{"per_million_output_tokens", estimate(e.kwh_per_million, "kWh")},
          {"carbon_per_million_output_tokens",
           c.carbon_known ? estimate(e.kg_co2_per_million, "kg CO2") : Json(nullptr)},
          {"output_tokens_per_joule", estimate(e.tokens_per_joule, "tokens/J")},
          {"output_tokens_per_second_per_mw", estimate(e.tokens_per_second_per_mw, "tokens/s/MW")},
          {"from", c.energy_from}};
}

Json price_or_null(double usd) { return usd >= 0 ? number(usd) : Json(nullptr); }

Json sales_json(const SalesResult& s) {
  return {{"seller", s.price.seller},
          {"model", s.price.model},
          {"date", s.price.date},
          {"from", s.price.from},
          {"currency", s.currency.empty() ? "USD" : s.currency},
          {"input_usd_per_million", number(s.price.input)},
          {"cached_input_usd_per_million", price_or_null(s.price.cached_input)},
          {"cache_write_usd_per_million", price_or_null(s.price.cache_write)},
          {"output_usd_per_million", number(s.price.output)},
          {"blended_usd_per_million", number(s.price_per_million)},
          {"gross_margin", estimate(s.gross_margin, "1")},
          {"markup", estimate(s.markup, "1")},
          {"break_even_utilisation", estimate(s.break_even_utilisation, "1")},
          {"revenue_per_gpu_hour", estimate(s.revenue_per_gpu_hour, "USD")},
          {"profit_per_gpu_hour", estimate(s.profit_per_gpu_hour, "USD")},
          {"revenue_per_mw_hour", estimate(s.revenue_per_mw_hour, "USD")},
          {"profit_per_mw_hour", estimate(s.profit_per_mw_hour, "USD")}};
}

Json rate_json(const GpuPrice& p) {
  return {{"level", p.level},
          {"usd_per_gpu_hour", number(p.usd_per_hour)},
          {"date", p.date},
          {"from", p.from}};
}

Json pack_json(const PackResult& p) {
  return {{"seller", p.pack.seller},
          {"name", p.pack.name},
          {"date", p.pack.date},
          {"tokens", number(p.pack.tokens)},
          {"price", number(p.pack.price)},
          {"currency", p.pack.currency},
          {"breakage", number(p.breakage)},
          {"usd_per_million_used", number(p.usd_per_million)}};
}

Json rent_json(const RentOrPayResult& r) {
  return {{"rent", rate_json(r.rent)},
          {"gpus", r.gpus},
          {"usd_per_month", number(r.crossing.usd_per_month)},
          {"tokens_per_month", estimate(r.crossing.tokens_per_month, "tokens")},
          {"price_usd_per_million", number(r.crossing.usd_per_million)},
          {"crossing_tokens_per_month", number(r.crossing.crossing_tokens)},
          {"crossing_use", estimate(r.crossing.crossing_use, "1")}};
}

Json inflation_json(const CostResult& c) {
  Json list = Json::array();
  for (const InflationResult& t : c.inflation) {
    const bool known = t.usd_per_task.value > 0;
    list.push_back({{"knob", t.knob},
                    {"value", number(t.value)},
                    {"calls", number(t.calls)},
                    {"input_tokens", number(t.input)},
                    {"cached_tokens", number(t.cached)},
                    {"output_tokens", number(t.output)},
                    {"meets_target", t.runs},
                    {"gpu_hours_per_million",
                     known ? estimate(t.gpu_hours_per_million, "GPU h") : Json(nullptr)},
                    {"usd_per_task", known ? estimate(t.usd_per_task, "USD") : Json(nullptr)},
                    {"price_usd_per_task", number(t.price_per_task)}});
  }
  return list;
}

}  // namespace

Json cost_json(const CandidateResult& candidate) {
  const CostResult& c = candidate.cost;
  Json json{{"stack", stack_json(c.stack)}};
  if (!has_operating_point(candidate)) return json;
  json["utilisation"] = number(c.utilisation);
  json["allocation"] = to_string(c.rule);
  json["additive"] = is_additive(c.rule);
  json["classes"] = classes_json(c);
  json["energy"] = energy_json(c);
  json["sales"] = c.sales ? sales_json(*c.sales) : Json(nullptr);
  json["pack"] = c.pack ? pack_json(*c.pack) : Json(nullptr);
  json["rent_or_pay"] = c.rent_or_pay ? rent_json(*c.rent_or_pay) : Json(nullptr);
  json["commitment"] = c.commitment
                           ? Json{{"reserved", rate_json(c.commitment->reserved)},
                                  {"on_demand", rate_json(c.commitment->on_demand)},
                                  {"break_even_use", number(c.commitment->break_even_use)}}
                           : Json(nullptr);
  json["inflation"] = inflation_json(c);
  return json;
}

}  // namespace tollgate
