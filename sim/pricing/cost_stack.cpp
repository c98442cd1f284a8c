#include "sim/pricing/cost_stack.h"

#include <stdexcept>

#include "sim/pricing/arguments.h"

namespace tollgate {
namespace {

constexpr double hours_per_year = 8760;
constexpr double hours_per_month = hours_per_year / 12;

}  // namespace

Estimate CostStack::total() const {
  Estimate total;
  for (const CostLine& line : lines) total = sum(total, line.usd_per_gpu_hour);
  return total;
}

CostStack rent_stack(const std::string& level, const CostLine& rent, const RentTerms& terms) {
  require_positive(rent.usd_per_gpu_hour, "the rent");
  require_not_negative(terms.interruption, "the share of hours lost to interruptions");
  if (terms.interruption >= 1) {
    throw std::invalid_argument("the share of hours lost to interruptions must be below 1.");
  }
  CostStack stack{level, {rent}};
  const auto add = [&](const char* name, double factor) {
    if (factor <= 0) return;
    CostLine line = rent;
    line.name = name;
    line.usd_per_gpu_hour = scaled(rent.usd_per_gpu_hour, factor);
    line.source = "terms of the scenario";
    stack.lines.push_back(line);
  };
  add("interruptions", terms.interruption / (1 - terms.interruption));
  add("upfront payment", upfront_premium(terms.upfront, terms.wacc, terms.years));
  return stack;
}

CostStack owned_stack(const OwnedCapital& capital, const CostLine& bought, const PowerDraw& draw,
                      double usd_per_kwh, const CostLine& power, const OwnedRunning& running) {
  require_not_negative(running.colocation_usd_per_kw_month, "the price of colocation");
  require_not_negative(running.staff_usd_per_hour, "the cost of staff");
  require_not_negative(running.spares_per_year, "the cost of spares");
  require_not_negative(running.licences_usd_per_hour, "the cost of licences");
  CostStack stack{"owned", {}};
  const auto add = [&](const char* name, const Estimate& usd, const CostLine& from) {
    if (usd.value > 0) stack.lines.push_back({name, usd, from.source, from.date});
  };
  const double up = capital.availability;
  const CostLine given{"", {}, "the scenario", ""};
  add("capital", exactly(capital_usd_per_hour(capital)), bought);
  add("electricity", scaled(electricity_usd_per_hour(draw, usd_per_kwh), 1 / up), power);
  add("colocation",
      scaled(facility_watts(draw),
             running.colocation_usd_per_kw_month / 1000 / hours_per_month / up),
      given);
  add("staff", exactly(running.staff_usd_per_hour / up), given);
  add("spares", exactly(capital.usd * running.spares_per_year / hours_per_year / up), given);
  add("licences", exactly(running.licences_usd_per_hour / up), given);
  return stack;
}

}  // namespace tollgate
