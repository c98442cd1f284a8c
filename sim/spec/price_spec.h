#pragma once

#include <string>
#include <vector>

#include "sim/spec/model_spec.h"
#include "sim/spec/tariff_spec.h"

namespace tollgate {

/// What one hour of one accelerator costs, on a date.
struct GpuPrice {
  std::string hardware;  ///< name of a models/hardware entry
  std::string level;     ///< rent-3yr, rent-1yr, on-demand, hyperscaler-own, neocloud-own, ...
  double usd_per_hour = 0;
  std::string date;  ///< ISO date or month the price held
  std::string from;  ///< who published it
  Places places;
};

/// What buying one accelerator costs, with its share of server and network.
struct CapitalPrice {
  std::string hardware;
  double usd = 0;
  std::string date;
  std::string from;
  std::string note;
  Places places;
};

/// What one kilowatt-hour costs and emits in a region.
struct PowerPrice {
  std::string region;
  double usd_per_kwh = 0;
  double kg_co2_per_kwh = -1;  ///< -1 = not stated
  std::string date;
  std::string from;
  Places places;
};

/// A dated price file of models/prices.
struct PriceBook {
  std::string name;
  std::vector<GpuPrice> gpus;
  std::vector<Tariff> tokens;
  std::vector<CapitalPrice> capital;
  std::vector<PowerPrice> power;
  std::vector<CurrencyRate> currencies;
  std::vector<TokenPack> packs;
  std::vector<SeatPlan> seats;
  std::vector<ProvisionedPlan> provisioned;
  std::vector<Source> sources;
  Places places;
};

}  // namespace tollgate
