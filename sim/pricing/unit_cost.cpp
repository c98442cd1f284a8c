#include "sim/pricing/unit_cost.h"

#include <algorithm>

namespace tollgate {

double gpu_hours_per_million(double gpus, double tokens_per_second) {
  return gpus * 1e6 / (3600 * std::max(tokens_per_second, 1e-6));
}

}  // namespace tollgate
