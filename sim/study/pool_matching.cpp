#include "sim/study/pool_matching.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tollgate {
namespace {

constexpr double alike = 1.01;

template <class Visit>
void every_pair(const PoolSide& prefill, const PoolSide& decode, int most, const Visit& visit) {
  const auto first = [](const PoolSide& s) { return s.instances > 0 ? s.instances : 1; };
  const auto last = [&](const PoolSide& s) { return s.instances > 0 ? s.instances : most; };
  for (int p = first(prefill); p <= last(prefill); ++p) {
    for (int d = first(decode); d <= last(decode); ++d) visit(p, d);
  }
}

}  // namespace

PoolCounts match_pools(const PoolSide& prefill, const PoolSide& decode, int most,
                       const LoadSpec& load) {
  const auto gpus = [&](int p, int d) {
    return static_cast<double>(p) * prefill.gpus + static_cast<double>(d) * decode.gpus;
  };
  const auto cost = [&](int p, int d) {
    const double rate = std::min(p * prefill.rate, d * decode.rate);
    if (load.kind != LoadKind::rate) return gpus(p, d) / rate;
    return gpus(p, d) * std::ceil(load.rate / rate - 1e-9) / load.rate;
  };
  double fewest = std::numeric_limits<double>::infinity();
  every_pair(prefill, decode, most, [&](int p, int d) { fewest = std::min(fewest, cost(p, d)); });
  PoolCounts best;
  double smallest = std::numeric_limits<double>::infinity();
  every_pair(prefill, decode, most, [&](int p, int d) {
    if (cost(p, d) > alike * fewest || gpus(p, d) >= smallest) return;
    smallest = gpus(p, d);
    best = {p, d, cost(p, d)};
  });
  return best;
}

}  // namespace tollgate
