#pragma once

#include <string>
#include <vector>

#include "sim/spec/model_spec.h"

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

/// What an API charges per million tokens, on a date. Prices are USD.
struct TokenPrice {
  std::string model;  ///< name of a models/llm entry
  std::string seller;
  std::string date;
  double input = 0;
  double cached_input = -1;  ///< -1 = not stated
  double cache_write = -1;
  double output = 0;
  std::string from;
  std::string note;
  Places places;
};

/// A dated price file of models/prices.
struct PriceBook {
  std::string name;
  std::vector<GpuPrice> gpus;
  std::vector<TokenPrice> tokens;
  std::vector<Source> sources;
  Places places;
};

}  // namespace tollgate
