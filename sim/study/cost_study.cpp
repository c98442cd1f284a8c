#include "sim/study/cost_study.h"

#include <algorithm>

#include "sim/base/text.h"
#include "sim/pricing/marginal_cost.h"
#include "sim/pricing/product.h"
#include "sim/pricing/profit.h"
#include "sim/pricing/unit_cost.h"
#include "sim/pricing/utilisation.h"

namespace tollgate {
namespace {

/// A machine over the boards of its accelerators: DGX H100, 10.2 kW for eight of 700 W.
constexpr double machine_over_boards = 10.2e3 / (8 * 700);

/// Log-sd of nameplate power against the power drawn under load.
constexpr double power_log_sd = 0.1;

Allocation allocation_of(AllocationChoice choice) {
  switch (choice) {
    case AllocationChoice::phase_time:
      return Allocation::phase_time;
    case AllocationChoice::token_ratio:
      return Allocation::token_ratio;
    case AllocationChoice::output_only:
      return Allocation::output_only;
    case AllocationChoice::total_tokens:
      return Allocation::total_tokens;
    case AllocationChoice::marginal_resource:
      return Allocation::marginal_resource;
    case AllocationChoice::revenue_weighted:
      return Allocation::revenue_weighted;
    case AllocationChoice::same_hours_twice:
      return Allocation::same_hours_twice;
  }
  return Allocation::phase_time;
}

HourlyLoad day_of(const PricingSpec& pricing) {
  HourlyLoad load = flat_load();
  std::copy(pricing.utilisation.day.begin(), pricing.utilisation.day.end(), load.begin());
  return load;
}

TokenPrice selling_price(const CandidateSpec& c, const WorkloadMix& mix) {
  const TariffSpec& t = *c.pricing.tariff;
  RequestTerms terms;
  terms.prompt_tokens = mix.input;
  terms.speed = t.speed;
  terms.batch = t.batch;
  terms.long_cache = t.long_cache;
  return in_usd(mean_price(*c.prices.tariff, terms, day_of(c.pricing)),
                c.prices.tariff_rate.per_usd);
}

BilledTokens billed(const CandidateSpec& c, const WorkloadMix& mix) {
  const double written = c.pricing.tariff ? c.pricing.tariff->written : 0;
  return {mix.uncached * (1 - written), mix.uncached * written, mix.cached, mix.output};
}

/// What a token of each class takes at full use: FLOP over the peak of bf16, or bytes of cache over
/// the memory bandwidth where that is longer (the Step-3 paper's model). A cached token is read
/// once.
TokenWeights marginal_weights(const CandidateSpec& c, const WorkloadMix& mix, double kv_bytes) {
  const ResourcePrice price = resource_price(1, c.hardware.peak.bf16, c.hardware.memory_bandwidth);
  const DecodeCounting counting;
  const MarginalCost output =
      marginal_cost(decode_work(c.model, mix.decode_context, counting), price);
  const DecodeWork prompt = decode_work(c.model, mix.prefill_context, counting);
  const double flops = prompt.attention_flops + prompt.linear_flops + prompt.ffn_flops;
  return {flops * price.usd_per_flop * 1e6, kv_bytes * price.usd_per_byte * 1e6, output.total()};
}

AllocationRule rule_of(const CandidateSpec& c, const WorkloadMix& mix, const ServedTokens& served,
                       double usd_per_gpu_hour) {
  AllocationRule rule;
  rule.kind = allocation_of(c.pricing.allocation);
  rule.ratio = c.pricing.ratio;
  rule.prefill_share = served.prefill_share;
  // Bytes held for a time, at the accelerator's price spread over its memory.
  constexpr double seconds_per_hour = 3600, million = 1e6;
  rule.cached_usd_per_million = million * served.kv_bytes_per_token / c.hardware.memory *
                                c.pricing.cache_hold / seconds_per_hour * usd_per_gpu_hour;
  if (rule.kind == Allocation::marginal_resource) {
    rule.weights = marginal_weights(c, mix, served.kv_bytes_per_token);
  } else if (rule.kind == Allocation::revenue_weighted) {
    const TokenPrice p = selling_price(c, mix);
    rule.weights = {p.input, p.cached_input >= 0 ? p.cached_input : p.input, p.output};
  }
  return rule;
}

void add_classes(const CandidateSpec& c, const WorkloadMix& mix, const ServedTokens& served,
                 CostResult& r) {
  const Estimate rate = r.stack.total();
  const double tokens = mix.input + mix.output;
  // The mean request's bill in dollars; its band is that of the blended cost.
  const Estimate blended = product(served.gpu_hours_per_million_total, rate);
  const double bill = blended.value * tokens / 1e6;
  const AllocatedCost cost =
      allocate(bill, {mix.input, mix.output, mix.cached}, rule_of(c, mix, served, rate.value));
  const BilledTokens t = billed(c, mix);
  const auto add = [&](const char* name, double count, double usd) {
    if (count <= 0) return;
    ClassCost line{name, count, {}, {}, std::nullopt, std::nullopt};
    const double share = blended.value > 0 ? usd / blended.value : 0;
    line.usd = scaled(blended, share);
    line.gpu_hours = scaled(served.gpu_hours_per_million_total, share);
    r.classes.push_back(line);
  };
  add("input", t.input, cost.usd_per_million_input);
  add("cache write", t.written, cost.usd_per_million_input);
  add("cached input", t.cached, cost.usd_per_million_cached);
  add("output", t.output, cost.usd_per_million_output);
}

void add_sales(const CandidateSpec& c, const WorkloadMix& mix, const ServedTokens& served,
               CostResult& r) {
  SalesResult s;
  s.price = selling_price(c, mix);
  s.per_usd = c.prices.tariff_rate.per_usd;
  if (c.prices.tariff->currency != "USD") {
    s.currency = c.prices.tariff->currency + " at " + shortest(c.prices.tariff_rate.per_usd) +
                 " per USD (" + c.prices.tariff_rate.date + ")";
  }
  s.price_per_million = mean_price_per_million(billed(c, mix), s.price);
  for (ClassCost& line : r.classes) {
    const TokenPrice& p = s.price;
    const double price = line.name == "output"  ? p.output
                         : line.name == "input" ? p.input
                         : line.name == "cache write"
                             ? (p.cache_write >= 0 ? p.cache_write : p.input)
                         : p.cached_input >= 0 ? p.cached_input
                                               : p.input;
    line.price = price;
    if (price > 0) line.margin = class_margin(price, line.usd.value);
  }
  const Estimate hours = served.gpu_hours_per_million_total;
  const Estimate rate = r.stack.total();
  const Estimate cost = product(hours, rate);
  const Provenance provenance = cost.provenance;
  const double price = s.price_per_million;
  if (price > 0) {
    const auto margin = [&](double usd) { return gross_margin(price, usd); };
    s.gross_margin = {margin(cost.value), margin(cost.high), margin(cost.low), provenance};
    s.break_even_utilisation = scaled(cost, r.utilisation / price);
  }
  s.markup = {markup(price, cost.value), markup(price, cost.high), markup(price, cost.low),
              provenance};
  const PowerDraw draw = power_of(c);
  const double watts = draw.watts.value > 0 ? facility_watts(draw).value : 0;
  const auto at = [&](double gpu_hours, double usd) {
    return earnings(price, gpu_hours, usd, watts);
  };
  const Earnings mid = at(hours.value, rate.value), low = at(hours.high, rate.high),
                 high = at(hours.low, rate.low);
  const auto band = [&](double Earnings::*member) {
    return Estimate{mid.*member, low.*member, high.*member, provenance};
  };
  s.revenue_per_gpu_hour = band(&Earnings::revenue_per_gpu_hour);
  s.profit_per_gpu_hour = band(&Earnings::profit_per_gpu_hour);
  s.revenue_per_mw_hour = band(&Earnings::revenue_per_mw_hour);
  s.profit_per_mw_hour = band(&Earnings::profit_per_mw_hour);
  r.sales = s;
}

}  // namespace

double utilisation_of(const PricingSpec& pricing) {
  const UtilisationSpec& u = pricing.utilisation;
  const double diurnal = u.day.empty() ? u.diurnal : mean_over_peak(day_of(pricing));
  return u.whole * utilisation_of(UtilisationParts{diurnal, u.headroom, u.availability});
}

PowerDraw power_of(const CandidateSpec& candidate, std::string* from) {
  const PowerSpec& p = candidate.pricing.power;
  const HardwareSpec& h = candidate.hardware;
  const auto say = [&](const std::string& text) {
    if (from) *from = text;
  };
  if (p.draw > 0) {
    say("power as the scenario says");
    return {exactly(p.draw), true, 1};
  }
  if (h.all_in_power > 0) {
    say("all-in power of " + h.name);
    return {with_log_sd(h.all_in_power, power_log_sd, Provenance::assumed), true, 1};
  }
  say("TDP of " + h.name + " x " + fixed(machine_over_boards, 2) + " (machine) x " +
      shortest(p.pue) + " (PUE)");
  return {with_log_sd(h.tdp * machine_over_boards, 2 * power_log_sd, Provenance::assumed), false,
          p.pue};
}

CostStack stack_of(const CandidateSpec& candidate) {
  const PricingSpec& p = candidate.pricing;
  if (!p.ownership) {
    const GpuPrice& price = candidate.price;
    return rent_stack(price.level, {"rent", exactly(price.usd_per_hour), price.from, price.date},
                      {p.rent.interruption, p.rent.upfront, p.rent.years, p.rent.wacc});
  }
  const OwnershipSpec& o = *p.ownership;
  const CapitalPrice& capital = candidate.prices.capital;
  const PowerPrice& power = candidate.prices.power;
  return owned_stack({capital.usd, o.years, o.wacc, o.salvage, o.availability},
                     {"", {}, capital.from, capital.date}, power_of(candidate), power.usd_per_kwh,
                     {"", {}, power.from, power.date},
                     {o.colocation, o.staff, o.spares, o.licences});
}

double price_of_request(const CandidateSpec& candidate, const WorkloadMix& mix) {
  return revenue_of(billed(candidate, mix), selling_price(candidate, mix));
}

CostResult cost_of(const CandidateSpec& candidate, const WorkloadMix& mix,
                   const ServedTokens& served) {
  const CandidatePrices& prices = candidate.prices;
  CostResult r;
  r.stack = stack_of(candidate);
  r.utilisation = utilisation_of(candidate.pricing);
  r.rule = allocation_of(candidate.pricing.allocation);
  r.gpu_hours_per_million = served.gpu_hours_per_million_total;
  add_classes(candidate, mix, served, r);
  const PowerDraw draw = power_of(candidate, &r.energy_from);
  r.carbon_known = prices.power.kg_co2_per_kwh >= 0 && !prices.power.from.empty();
  if (r.carbon_known && !prices.power.region.empty()) {
    r.energy_from += "; carbon of " + prices.power.region;
    if (!prices.power.date.empty()) r.energy_from += ", " + prices.power.date;
  }
  if (draw.watts.value > 0) {
    r.energy = token_energy(served.gpu_hours_per_million_output, draw,
                            r.carbon_known ? prices.power.kg_co2_per_kwh : 0);
  }
  if (prices.tariff) add_sales(candidate, mix, served, r);
  if (prices.pack) {
    const double breakage = candidate.pricing.pack->breakage;
    r.pack = PackResult{*prices.pack, prices.pack_rate.per_usd, breakage,
                        pack_price(*prices.pack, breakage) / prices.pack_rate.per_usd};
  }
  if (prices.bare_metal && r.sales && r.sales->price_per_million > 0) {
    r.rent_or_pay =
        RentOrPayResult{*prices.bare_metal, served.gpus,
                        rent_or_pay(prices.bare_metal->usd_per_hour * served.gpus,
                                    served.tokens_per_second, r.sales->price_per_million)};
  }
  if (prices.reserved) {
    r.commitment = CommitmentResult{
        *prices.reserved, *prices.on_demand,
        reservation_break_even(prices.reserved->usd_per_hour, prices.on_demand->usd_per_hour)};
  }
  return r;
}

}  // namespace tollgate
