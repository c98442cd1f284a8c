// Proves: the integer Gumbel and normal generators follow libm within the documented error, have
// the right moments, and the Gumbel never rises with its word (on which the CPU backend relies).

#include "kernels/core/noise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"

namespace tollgate::kernels {
namespace {

constexpr double kUnit = 1.0 / (1 << kLogitFraction);

double exact_gumbel(std::uint32_t word) {
  const double w = (2.0 * word + 1) / 8589934592.0;
  return -std::log(-std::log1p(-w));
}

double exact_upper_tail(double x) { return 0.5 * std::erfc(x / std::sqrt(2.0)); }

TEST(Noise, Log2TableMatchesLibm) {
  for (int i = 0; i <= 256; ++i) {
    EXPECT_NEAR(gumbel_tables().log2[i], std::log2(1 + i / 256.0) * (1 << 30), 1.0) << i;
    const double w = i / 512.0;
    const double log_h = i == 0 ? 0 : std::log(-std::log1p(-w) / w);
    EXPECT_NEAR(gumbel_tables().log_h[i], log_h * (1 << 30), 1.0) << i;
  }
}

TEST(Noise, GumbelFollowsLibm) {
  for (std::uint64_t word = 0; word < (1ull << 32); word += 65521) {
    const auto w = static_cast<std::uint32_t>(word);
    ASSERT_NEAR(gumbel(gumbel_tables(), w) * kUnit, exact_gumbel(w), 5e-6) << word;
  }
  for (int shift = 0; shift < 32; ++shift) {
    for (const std::uint32_t w :
         {1u << shift, (1u << shift) - 1, ~(1u << shift), ~0u - (1u << shift)}) {
      EXPECT_NEAR(gumbel(gumbel_tables(), w) * kUnit, exact_gumbel(w), 5e-6) << w;
    }
  }
}

// Half a minute: run with --gtest_also_run_disabled_tests after a change to the tables.
TEST(Noise, DISABLED_GumbelNeverRisesAnywhere) {
  std::int32_t previous = gumbel(gumbel_tables(), 0);
  for (std::uint64_t w = 1; w < (1ull << 32); ++w) {
    const std::int32_t now = gumbel(gumbel_tables(), static_cast<std::uint32_t>(w));
    ASSERT_LE(now, previous) << w;
    previous = now;
  }
}

// Every table node with its neighbourhood, and a grid.
TEST(Noise, GumbelNeverRises) {
  const GumbelTables& tables = gumbel_tables();
  const auto check_around = [&](std::uint64_t centre) {
    const std::uint64_t first = centre < 40 ? 0 : centre - 40;
    const std::uint64_t last = std::min<std::uint64_t>(centre + 40, 0xFFFFFFFF);
    for (std::uint64_t w = first; w < last; ++w) {
      ASSERT_GE(gumbel(tables, static_cast<std::uint32_t>(w)),
                gumbel(tables, static_cast<std::uint32_t>(w + 1)))
          << w;
    }
  };
  for (std::uint64_t node = 0; node <= 512; ++node) check_around(node << 23);
  for (int octave = 0; octave < 32; ++octave) {
    for (std::uint64_t i = 0; i < 256; ++i) {
      const std::uint64_t node = ((256 + i) << octave) >> 9;
      check_around(node);
      check_around(0xFFFFFFFF - node);
    }
  }
  std::int32_t previous = gumbel(tables, 0);
  for (std::uint64_t w = 0; w < (1ull << 32); w += 1021) {
    const std::int32_t now = gumbel(tables, static_cast<std::uint32_t>(w));
    ASSERT_LE(now, previous) << w;
    previous = now;
  }
}

TEST(Noise, NormalFollowsErfc) {
  for (std::uint64_t word = 0; word < (1ull << 31); word += 32749) {
    const double x = normal(normal_table(), static_cast<std::uint32_t>(word)) * kUnit;
    const double tail = (2.0 * static_cast<double>(word) + 1) / 8589934592.0;
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
    ASSERT_NEAR((exact_upper_tail(x) - tail) / density, 0, 1e-4) << word;
  }
  for (const std::uint32_t w : {0u, 1u, 2u, 3u, 100u, 0x7FFFFFFFu}) {
    EXPECT_EQ(normal(normal_table(), w), -normal(normal_table(), w | 0x80000000u));
  }
  EXPECT_NEAR(normal(normal_table(), 0) * kUnit, 6.3378, 1e-3);  // Q(x) = 2^-33
}

struct Moments {
  double mean = 0, variance = 0;
};

template <typename Draw>
Moments moments(int count, Draw draw) {
  double sum = 0, squares = 0;
  for (int i = 0; i < count; i += 4) {
    const Words4 words = philox4x32(static_cast<std::uint32_t>(i), 0, 0, 0, 99);
    for (const std::uint32_t w : words.w) {
      const double x = draw(w) * kUnit;
      sum += x;
      squares += x * x;
    }
  }
  const double mean = sum / count;
  return {mean, squares / count - mean * mean};
}

// Five standard errors at a million draws.
TEST(Noise, GumbelMoments) {
  constexpr int kCount = 1000000;
  const Moments m = moments(kCount, [](std::uint32_t w) { return gumbel(gumbel_tables(), w); });
  const double variance = M_PI * M_PI / 6;
  EXPECT_NEAR(m.mean, 0.57721566490153286, 5 * std::sqrt(variance / kCount));
  // Excess kurtosis 12/5.
  EXPECT_NEAR(m.variance, variance, 5 * variance * std::sqrt((2 + 2.4) / kCount));
}

TEST(Noise, NormalMoments) {
  constexpr int kCount = 1000000;
  const Moments m = moments(kCount, [](std::uint32_t w) { return normal(normal_table(), w); });
  EXPECT_NEAR(m.mean, 0, 5 / std::sqrt(kCount));
  EXPECT_NEAR(m.variance, 1, 5 * std::sqrt(2.0 / kCount));
}

}  // namespace
}  // namespace tollgate::kernels
