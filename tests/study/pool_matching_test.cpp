#include "sim/study/pool_matching.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace tollgate {
namespace {

double gpus_for(const PoolSide& prefill, const PoolSide& decode, int p, int d,
                const LoadSpec& load) {
  const double gpus = p * prefill.gpus + d * decode.gpus;
  const double rate = std::min(p * prefill.rate, d * decode.rate);
  return load.kind == LoadKind::rate ? gpus * std::ceil(load.rate / rate) / load.rate : gpus / rate;
}

/// Against all pairs, for 200 random pools: within 1 % of the fewest accelerators, and no replica
/// that is as good is smaller.
TEST(PoolMatching, TakesTheFewestAccelerators) {
  std::mt19937 g(1);
  std::uniform_real_distribution<double> rate(0.3, 12);
  for (int i = 0; i < 200; ++i) {
    const PoolSide prefill{rate(g), 1 << (g() % 4), 0}, decode{rate(g), 1 << (g() % 6), 0};
    LoadSpec load;
    if (i % 2 == 1) {
      load.kind = LoadKind::rate;
      load.rate = 10 * rate(g) + 0.01;
    }
    const PoolCounts found = match_pools(prefill, decode, 9, load);
    double fewest = 1e300;
    for (int p = 1; p <= 9; ++p) {
      for (int d = 1; d <= 9; ++d) fewest = std::min(fewest, gpus_for(prefill, decode, p, d, load));
    }
    EXPECT_LE(gpus_for(prefill, decode, found.prefill, found.decode, load), 1.0100001 * fewest);
    const int size = found.prefill * prefill.gpus + found.decode * decode.gpus;
    for (int p = 1; p <= 9; ++p) {
      for (int d = 1; d <= 9; ++d) {
        if (p * prefill.gpus + d * decode.gpus >= size) continue;
        EXPECT_GT(gpus_for(prefill, decode, p, d, load), 1.0099 * fewest);
      }
    }
  }
}

/// 3 x 2 = 2 x 3: nothing idles.
TEST(PoolMatching, RatesMatch) {
  const PoolCounts found = match_pools({2, 8, 0}, {3, 8, 0}, 16, {});
  EXPECT_EQ(found.prefill, 3);
  EXPECT_EQ(found.decode, 2);
}

TEST(PoolMatching, KeepsWhatIsGiven) {
  const PoolCounts found = match_pools({2, 8, 5}, {3, 8, 0}, 16, {});
  EXPECT_EQ(found.prefill, 5);
  EXPECT_EQ(found.decode, 3);
}

}  // namespace
}  // namespace tollgate
