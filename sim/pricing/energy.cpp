#include "sim/pricing/energy.h"

#include <stdexcept>

#include "sim/pricing/arguments.h"
#include "sim/pricing/product.h"

namespace tollgate {

Estimate facility_watts(const PowerDraw& draw) {
  require_positive(draw.watts, "the power of an accelerator");
  if (!(draw.pue >= 1 && draw.pue < 10)) {
    throw std::invalid_argument("the power usage effectiveness must be from 1 to 10.");
  }
  return draw.cooling_included ? draw.watts : scaled(draw.watts, draw.pue);
}

Estimate electricity_usd_per_hour(const PowerDraw& draw, double usd_per_kwh) {
  require_not_negative(usd_per_kwh, "the price of electricity");
  return scaled(facility_watts(draw), usd_per_kwh / 1000);
}

TokenEnergy token_energy(const Estimate& gpu_hours_per_million, const PowerDraw& draw,
                         double kg_co2_per_kwh) {
  require_positive(gpu_hours_per_million, "the GPU-hours per million tokens");
  require_not_negative(kg_co2_per_kwh, "the carbon of a kilowatt-hour");
  constexpr double joules_per_kwh = 3.6e6;
  TokenEnergy out;
  out.kwh_per_million = scaled(product(gpu_hours_per_million, facility_watts(draw)), 1e-3);
  out.kg_co2_per_million = scaled(out.kwh_per_million, kg_co2_per_kwh);
  out.tokens_per_joule = inverse(1e6 / joules_per_kwh, out.kwh_per_million);
  out.tokens_per_second_per_mw = scaled(out.tokens_per_joule, 1e6);
  return out;
}

}  // namespace tollgate
