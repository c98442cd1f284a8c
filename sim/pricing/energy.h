#pragma once

#include "sim/base/estimate.h"

namespace tollgate {

/// Power of one accelerator with its share of the machine.
struct PowerDraw {
  Estimate watts;                ///< while it serves
  bool cooling_included = true;  ///< the figure already holds cooling and losses of the building
  double pue = 1;                ///< power usage effectiveness, >= 1, for figures that do not
};

/// Watts at the meter of the building.
Estimate facility_watts(const PowerDraw& draw);

/// USD per accelerator-hour at `usd_per_kwh`.
Estimate electricity_usd_per_hour(const PowerDraw& draw, double usd_per_kwh);

/// Energy and carbon of tokens. The machine is taken to draw the same whether it is busy or not, so
/// energy follows GPU-hours.
struct TokenEnergy {
  Estimate kwh_per_million;
  Estimate kg_co2_per_million;
  Estimate tokens_per_joule;
  Estimate tokens_per_second_per_mw;  ///< = tokens per joule x 1e6
};

/// `gpu_hours_per_million` as of unit_cost.h, utilisation included. `kg_co2_per_kwh` >= 0.
TokenEnergy token_energy(const Estimate& gpu_hours_per_million, const PowerDraw& draw,
                         double kg_co2_per_kwh);

}  // namespace tollgate
