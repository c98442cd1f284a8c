#pragma once

#include <optional>

#include "sim/spec/price_spec.h"

namespace tollgate {

/// Prices of models/prices that a candidate's pricing and the scenario's answers ask for.
struct CandidatePrices {
  CapitalPrice capital;          ///< with ownership
  PowerPrice power;              ///< with what the scenario gives instead
  std::optional<Tariff> tariff;  ///< what tokens are sold at
  CurrencyRate tariff_rate;      ///< of the tariff's currency
  std::optional<TokenPack> pack;
  CurrencyRate pack_rate;
  std::optional<GpuPrice> bare_metal;           ///< rent_or_pay
  std::optional<GpuPrice> reserved, on_demand;  ///< commitment
};

}  // namespace tollgate
