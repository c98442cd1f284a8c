#include "sim/serving/workload/lengths.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "request_classes.h"
#include "sim/serving/workload/draws.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

double mean_of(const std::vector<double>& v) {
  return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
}

/// Spearman's correlation: Pearson's of the ranks, equal values sharing their mean rank.
std::vector<double> ranks(const std::vector<double>& v) {
  std::vector<std::size_t> order(v.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return v[a] < v[b]; });
  std::vector<double> rank(v.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i;
    while (end < order.size() && v[order[end]] == v[order[i]]) ++end;
    for (std::size_t j = i; j < end; ++j) rank[order[j]] = static_cast<double>(i + end - 1) / 2;
    i = end;
  }
  return rank;
}

double spearman(const std::vector<double>& x, const std::vector<double>& y) {
  const std::vector<double> a = ranks(x), b = ranks(y);
  const double ma = mean_of(a), mb = mean_of(b);
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  return ab / std::sqrt(aa * bb);
}

/// The preset's own table: 20 of 21 knots fall between draws, and the share of draws below each has
/// sigma 0.11 % at most; the mean of 200,000 draws has sigma sd / 447.
TEST(lengths, quantile_tables_come_out_again) {
  Library library(TOLLGATE_REPOSITORY "/models");
  for (const char* name : {"chat", "code", "reasoning", "long-context", "summarisation"}) {
    const RequestClass c = library.traffic(name, {});
    const PairSampler sampler(c.input, c.output, 0);
    std::vector<double> inputs, outputs;
    for (std::uint32_t i = 0; i < 200'000; ++i) {
      const kernels::Words4 w = draw(3, Draw::lengths, i);
      const auto [input, output] = sampler.at(w.w[0], w.w[1]);
      inputs.push_back(input);
      outputs.push_back(output);
    }
    for (const auto& [drawn, spec] : {std::pair{&inputs, &c.input}, {&outputs, &c.output}}) {
      const auto& q = spec->quantiles;
      for (std::size_t k = 1; k + 1 < q.size(); ++k) {
        if (q[k - 1] == q[k] || q[k] == q[k + 1]) continue;  // ties have no share of their own
        const double share =
            static_cast<double>(
                std::count_if(drawn->begin(), drawn->end(), [&](double v) { return v <= q[k]; })) /
            200'000;
        // Rounding moves half a token over the knot.
        const double half = 0.5 / (q[k + 1] - q[k]) / static_cast<double>(q.size() - 1);
        EXPECT_NEAR(share, static_cast<double>(k) / static_cast<double>(q.size() - 1),
                    half + 4 * 0.0012)
            << name << " " << k;
      }
      double square = 0;
      for (const double v : *drawn) square += v * v / 200'000;
      const double mean = mean_of(*drawn);
      EXPECT_NEAR(mean, spec->average(), 4 * std::sqrt((square - mean * mean) / 200'000) + 0.05)
          << name;
    }
  }
}

TEST(lengths, means_of_the_drawn_counts) {
  EXPECT_EQ(LengthSampler(fixed_length(7)).mean(), 7);
  EXPECT_NEAR(LengthSampler(lognormal(1000, 0.8)).mean(), 1000, 0.5);
  LengthSpec uniform;
  uniform.kind = LengthKind::uniform;
  uniform.low = 1;
  uniform.high = 4;
  // 1 and 4 have half the share of 2 and 3.
  EXPECT_NEAR(LengthSampler(uniform).mean(), 2.5, 1e-3);
  EXPECT_EQ(LengthSampler(uniform).at(1e-9), 1);
  EXPECT_EQ(LengthSampler(uniform).at(1 - 1e-9), 4);
  EXPECT_EQ(LengthSampler(lognormal(1e7, 4), 500).at(1 - 1e-9), 500);
}

/// 100,000 pairs: the rank correlation has sigma 0.32 % or less; the marginals must not move.
TEST(lengths, ranks_are_correlated_as_asked) {
  for (const double wanted : {-0.95, -0.5, -0.1, 0.0, 0.2, 0.7, 1.0}) {
    for (const LengthSpec& shape :
         {lognormal(5000, 1), quantiles({10, 500, 900, 4000, 9000, 100'000})}) {
      const PairSampler sampler(shape, lognormal(3000, 0.7), wanted);
      std::vector<double> x, y;
      for (std::uint32_t i = 0; i < 100'000; ++i) {
        const kernels::Words4 w = draw(5, Draw::lengths, i);
        const auto [input, output] = sampler.at(w.w[0], w.w[1]);
        x.push_back(input);
        y.push_back(output);
      }
      EXPECT_NEAR(spearman(x, y), wanted, 4 * 0.0032);
      EXPECT_NEAR(mean_of(x) / shape.average(), 1, 4 * 1.8 / std::sqrt(1e5));
      EXPECT_NEAR(mean_of(y) / 3000, 1, 4 * 0.8 / std::sqrt(1e5));
    }
  }
}

}  // namespace
}  // namespace tollgate
