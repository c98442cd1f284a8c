// Proves: the alias generator draws exactly what its weights say, without replacement, and nothing
// depends on threads or on the processor.

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>

#include "kernels/generator/alias_generator.h"
#include "kernels/generator/alias_lanes.h"
#include "kernels/generator/fixed_exp.h"

namespace tollgate::kernels {
namespace {

GeneratorProblem base(int experts, int top_k, int layers, int tokens) {
  GeneratorProblem problem;
  problem.experts = experts;
  problem.top_k = top_k;
  problem.layers = layers;
  problem.tokens = tokens;
  problem.seed = 42;
  return problem;
}

GeneratorProblem full(int experts, int top_k, int layers, int tokens, int run) {
  GeneratorProblem problem = base(experts, top_k, layers, tokens);
  problem.spec.sigma_global = 0.4;
  problem.spec.sigma_domain = 0.7;
  problem.spec.sigma_topic = 0.3;
  problem.spec.stickiness = 0.2;
  problem.spec.layer_jitter = 0.25;
  problem.spec.domains = 3;
  problem.spec.topics = 4;
  problem.spec.tokens_per_sequence = run;
  return problem;
}

TEST(FixedExp, AgreesWithLibm) {
  for (std::int32_t x = 0; x > -(30 << kLogitFraction); x -= 10007) {
    const double exact = std::exp(from_fixed(x, kLogitFraction)) * 2147483648.0;
    ASSERT_NEAR(exp_q31(x), exact, 1.5 + 2e-6 * exact) << x;
  }
  EXPECT_EQ(exp_q31(0), 1u << 31);
  EXPECT_EQ(exp_q31(-(1000 << kLogitFraction)), 0u);
  for (std::uint64_t v = 1; v < std::uint64_t{1} << 62; v = v * 3 + 1) {
    ASSERT_NEAR(from_fixed(log_q20(v), 20), std::log(static_cast<double>(v)), 5e-6) << v;
  }
}

/// The probability of every expert, read off the table cell by cell, in units.
std::vector<std::uint64_t> table_units(std::span<const AliasEntry> table) {
  std::vector<std::uint64_t> sum(table.size());
  for (std::size_t c = 0; c < table.size(); ++c) {
    sum[c] += table[c].threshold();
    sum[table[c].other()] += kAliasUnits - table[c].threshold();
  }
  return sum;
}

// No statistics needed: the cells add up to the units exactly, and the units are the weights.
TEST(AliasTable, CellsAddUpToTheWeightsExactly) {
  for (const int experts : {1, 2, 3, 7, 64, 257, 1000, 1024}) {
    for (const double sigma : {0.0, 0.5, 4.0}) {
      std::vector<std::uint32_t> weights(experts), units(experts);
      double sum = 0;
      for (int e = 0; e < experts; ++e) {
        const double z = std::sin(e * 12.9898) * sigma * 1.5 - sigma * 1.5;
        weights[e] = static_cast<std::uint32_t>(std::exp(z) * 2147483647.0);
        sum += weights[e];
      }
      share_units(weights, units);
      const std::uint64_t all = static_cast<std::uint64_t>(experts) * kAliasUnits;
      ASSERT_EQ(std::accumulate(units.begin(), units.end(), std::uint64_t{0}), all);
      for (int e = 0; e < experts; ++e) {
        ASSERT_NEAR(units[e], weights[e] / sum * (static_cast<double>(all) - experts) + 1, 1.001);
      }
      std::vector<AliasEntry> table(experts);
      build_alias_table(units, table);
      const auto found = table_units(table);
      for (int e = 0; e < experts; ++e) ASSERT_EQ(found[e], units[e]) << experts << " " << e;
    }
  }
}

// Every position that the table tells apart, drawn once.
TEST(AliasTable, DrawsEveryExpertAsOftenAsItHasUnits) {
  const std::vector<std::uint32_t> weights = {5, 100, 17};
  std::vector<std::uint32_t> units(3), drawn(3);
  std::vector<AliasEntry> table(3);
  share_units(weights, units);
  build_alias_table(units, table);
  for (std::uint64_t place = 0; place < 3ull << kAliasBits; ++place) {
    drawn[alias_draw(table.data(), place << (32 - kAliasBits))] += 1;
  }
  EXPECT_EQ(drawn, units);
}

TEST(AliasTable, ExtremeWeightsLeaveEveryExpertPossible) {
  std::vector<std::uint32_t> weights(1024, 0), units(1024);
  weights[1023] = (1u << 31) - 1;
  share_units(weights, units);
  EXPECT_EQ(*std::min_element(units.begin(), units.end()), 1u);
  EXPECT_EQ(units[1023], (std::uint64_t{1} << 32) - 1023);
}

/// Probability of every ordered choice of k of the experts by successive sampling from q.
void enumerate(const std::vector<double>& q, int k, std::vector<int>& chosen, double p,
               std::map<std::vector<int>, double>& out) {
  if (static_cast<int>(chosen.size()) == k) {
    out[chosen] += p;
    return;
  }
  double left = 1;
  for (const int e : chosen) left -= q[e];
  for (int e = 0; e < static_cast<int>(q.size()); ++e) {
    if (std::find(chosen.begin(), chosen.end(), e) != chosen.end()) continue;
    chosen.push_back(e);
    enumerate(q, k, chosen, p * q[e] / left, out);
    chosen.pop_back();
  }
}

/// Chi-square of ordered choices against the enumeration, in standard deviations above its mean.
/// Cells with fewer than five expected are put together.
double excess_sigmas(const std::map<std::vector<int>, double>& probability,
                     std::map<std::vector<int>, int>& count, int samples) {
  double chi = 0, pooled_expected = 0, pooled_count = 0;
  int cells = 0;
  for (const auto& [choice, p] : probability) {
    const double expected = p * samples;
    if (expected < 5) {
      pooled_expected += expected;
      pooled_count += count[choice];
      continue;
    }
    chi += std::pow(count[choice] - expected, 2) / expected;
    ++cells;
  }
  if (pooled_expected >= 5) {
    chi += std::pow(pooled_count - pooled_expected, 2) / pooled_expected;
    ++cells;
  }
  return (chi - (cells - 1)) / std::sqrt(2.0 * (cells - 1));
}

// Five sigma, every ordered triple of six experts: 120 cells, 200 000 tokens per layer and variant.
TEST(AliasGenerator, OrderedChoicesMatchTheEnumeration) {
  for (const AliasVariant& variant : alias_variants()) {
    GeneratorProblem problem = base(6, 3, 2, 200000);
    problem.spec.sigma_global = 1.0;
    AliasGenerator generator(problem);
    generator.use(variant.name);
    const auto ids = generator.select();
    for (int layer = 0; layer < problem.layers; ++layer) {
      std::vector<double> q;
      for (const std::uint32_t u : generator.units(layer, 0)) q.push_back(u / (6.0 * kAliasUnits));
      std::map<std::vector<int>, double> probability;
      std::vector<int> chosen;
      enumerate(q, 3, chosen, 1, probability);
      std::map<std::vector<int>, int> count;
      for (int t = 0; t < problem.tokens; ++t) {
        const auto* row = &ids[(static_cast<std::size_t>(layer) * problem.tokens + t) * 3];
        count[{row[0], row[1], row[2]}] += 1;
      }
      EXPECT_LT(excess_sigmas(probability, count, problem.tokens), 5) << variant.name << layer;
    }
  }
}

// The same given the previous token's choice, which makes the sticky part exact too: tokens are
// grouped by the set before them. One layer, many tokens; 20 sets of 3 of 6.
TEST(AliasGenerator, StickyChoicesMatchTheEnumeration) {
  for (const AliasVariant& variant : alias_variants()) {
    GeneratorProblem problem = base(6, 3, 1, 1000000);
    problem.spec.sigma_global = 0.7;
    problem.spec.stickiness = 0.35;
    problem.spec.tokens_per_sequence = 5000;
    AliasGenerator generator(problem);
    generator.use(variant.name);
    const auto ids = generator.select();
    std::map<std::set<int>, std::map<std::vector<int>, int>> count;
    std::map<std::set<int>, int> samples;
    for (int t = 1; t < problem.tokens; ++t) {
      if (t % 5000 == 0) continue;
      const auto* row = &ids[static_cast<std::size_t>(t) * 3];
      const std::set<int> before{row[-3], row[-2], row[-1]};
      count[before][{row[0], row[1], row[2]}] += 1;
      samples[before] += 1;
    }
    EXPECT_EQ(count.size(), 20u);
    for (auto& [before, counts] : count) {
      std::vector<double> q;
      for (const std::uint32_t u : generator.units(0, 0)) {
        const bool again = before.contains(static_cast<int>(q.size()));
        q.push_back(0.65 * u / (6.0 * kAliasUnits) + (again ? 0.35 / 3 : 0));
      }
      std::map<std::vector<int>, double> probability;
      std::vector<int> chosen;
      enumerate(q, 3, chosen, 1, probability);
      EXPECT_LT(excess_sigmas(probability, counts, samples[before]), 5) << variant.name;
    }
  }
}

// One expert takes nearly all proposals, so nearly every token is finished by inversion.
TEST(AliasGenerator, FinishesTokensThatRunOutOfProposals) {
  for (const AliasVariant& variant : alias_variants()) {
    GeneratorProblem problem = base(5, 3, 1, 100000);
    problem.weights = {2000000000u, 1000u, 2000u, 3000u, 4000u};
    AliasGenerator generator(problem);
    generator.use(variant.name);
    const auto ids = generator.select();
    std::vector<double> q;
    for (const std::uint32_t u : generator.units(0, 0)) q.push_back(u / (5.0 * kAliasUnits));
    std::map<std::vector<int>, double> probability;
    std::vector<int> chosen;
    enumerate(q, 3, chosen, 1, probability);
    std::map<std::vector<int>, int> count;
    for (int t = 0; t < problem.tokens; ++t) {
      const auto* row = &ids[static_cast<std::size_t>(t) * 3];
      count[{row[0], row[1], row[2]}] += 1;
    }
    EXPECT_LT(excess_sigmas(probability, count, problem.tokens), 5) << variant.name;
  }
}

TEST(AliasGenerator, AllVariantsAndThreadCountsAgree) {
  for (const auto& [experts, k, run] : {std::tuple{64, 6, 100},
                                        {256, 8, 1},
                                        {256, 8, 77},
                                        {1024, 32, 7},
                                        {8, 2, 1000},
                                        {5, 5, 3},
                                        {896, 16, 333},
                                        {1, 1, 2},
                                        {33, 4, 50},
                                        {128, 10, 9}}) {
    GeneratorProblem problem = full(experts, k, 3, 5003, run);
    problem.spec.topic_hold = run == 77 ? 0.9 : 1.0;
    problem.spec.shared_topics = run != 100;
    AliasGenerator generator(problem);
    generator.use("plain");
    const auto ids = generator.select();
    const auto counts = generator.histogram();
    std::vector<std::int64_t> brute(counts.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      brute[i / (static_cast<std::size_t>(problem.tokens) * k) * experts + ids[i]] += 1;
      ASSERT_LT(ids[i], experts);
    }
    EXPECT_EQ(counts, brute);
    for (std::size_t row = 0; row < ids.size(); row += k) {
      std::set<std::uint16_t> distinct(ids.begin() + row, ids.begin() + row + k);
      ASSERT_EQ(distinct.size(), static_cast<std::size_t>(k));
    }
    for (const AliasVariant& variant : alias_variants()) {
      for (const std::size_t threads : {1, 2, 8}) {
        const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
        AliasGenerator other(problem);
        other.use(variant.name);
        EXPECT_EQ(other.select(), ids) << variant.name << " " << experts << " " << k;
        EXPECT_EQ(other.histogram(), counts) << variant.name << " " << experts << " " << k;
      }
    }
  }
}

double lag1_overlap(const AliasGenerator& generator) {
  const auto ids = generator.select();
  const int k = generator.problem().top_k;
  std::int64_t same = 0, pairs = 0;
  for (int layer = 0; layer < generator.problem().layers; ++layer) {
    for (int t = 1; t < generator.tokens(); ++t) {
      if (t % generator.problem().spec.tokens_per_sequence == 0) continue;
      const auto* row = &ids[(static_cast<std::size_t>(layer) * generator.tokens() + t) * k];
      for (int i = 0; i < k; ++i) same += std::count(row - k, row, row[i]);
      ++pairs;
    }
  }
  return static_cast<double>(same) / static_cast<double>(pairs) / k;
}

TEST(AliasGenerator, StickinessRaisesLagOneOverlapAlone) {
  double last = -1;
  std::vector<std::int64_t> plain_loads;
  for (const double stickiness : {0.0, 0.1, 0.2, 0.4, 0.6, 0.9}) {
    GeneratorProblem problem = full(64, 6, 4, 16000, 400);
    problem.spec.stickiness = stickiness;
    const double overlap = lag1_overlap(AliasGenerator(problem));
    EXPECT_GT(overlap, last + 0.02) << stickiness;
    last = overlap;
  }
  GeneratorProblem problem = full(64, 6, 4, 4000, 1);  // every token begins a sequence
  problem.spec.stickiness = 0.6;
  const auto sticky = AliasGenerator(problem).select();
  problem.spec.stickiness = 0;
  EXPECT_EQ(AliasGenerator(problem).select(), sticky);
}

/// Correlation over experts of log weight between two windows.
double popularity_correlation(GeneratorProblem problem, int window) {
  const AliasGenerator first(problem);
  problem.window = window;
  const AliasGenerator later(problem);
  double xy = 0, xx = 0, yy = 0;
  for (int layer = 0; layer < problem.layers; ++layer) {
    for (int c = 0; c < first.contexts(); ++c) {
      double mean_x = 0, mean_y = 0;
      for (int e = 0; e < problem.experts; ++e) {
        mean_x += std::log(first.units(layer, c)[e]) / problem.experts;
        mean_y += std::log(later.units(layer, c)[e]) / problem.experts;
      }
      for (int e = 0; e < problem.experts; ++e) {
        const double x = std::log(first.units(layer, c)[e]) - mean_x;
        const double y = std::log(later.units(layer, c)[e]) - mean_y;
        xy += x * y;
        xx += x * x;
        yy += y * y;
      }
    }
  }
  return xy / std::sqrt(xx * yy);
}

// 16 layers x 4 domains x 512 experts: the standard error of a correlation is below 1 / 181.
TEST(AliasGenerator, DriftForgetsAtTheStatedRate) {
  GeneratorProblem problem = base(512, 8, 16, 64);
  problem.spec.sigma_domain = 0.7;
  problem.spec.domains = 4;
  EXPECT_NEAR(popularity_correlation(problem, 3), 1.0, 1e-12);
  problem.spec.drift = 0.8;
  EXPECT_NEAR(popularity_correlation(problem, 1), 0.8, 5.0 / 181);
  EXPECT_NEAR(popularity_correlation(problem, 4), std::pow(0.8, 4), 5.0 / 181);
  problem.spec.drift = 0;
  EXPECT_NEAR(popularity_correlation(problem, 1), 0.0, 5.0 / 181);
}

// 512 experts, 256 layers: log of the measured spread per layer has deviation layer_jitter and an
// estimation error of 1 / sqrt(2 * 512) = 0.031.
TEST(AliasGenerator, LayerJitterSpreadsSigmaDomain) {
  GeneratorProblem problem = base(512, 1, 256, 1);
  problem.spec.sigma_domain = 0.6;
  problem.spec.layer_jitter = 0.3;
  const AliasGenerator generator(problem);
  double sum = 0, squares = 0;
  for (int layer = 0; layer < problem.layers; ++layer) {
    double mean = 0, square = 0;
    for (const std::uint32_t u : generator.units(layer, 0)) {
      mean += std::log(u) / 512;
      square += std::log(u) * std::log(u) / 512;
    }
    const double x = 0.5 * std::log(square - mean * mean);
    sum += x / 256;
    squares += x * x / 256;
  }
  EXPECT_NEAR(sum, std::log(0.6), 5 * 0.3 / 16);
  EXPECT_NEAR(std::sqrt(squares - sum * sum), std::hypot(0.3, 0.031), 5 * 0.3 / std::sqrt(512));
}

TEST(AliasGenerator, TopicsHoldSwitchAndAreShared) {
  GeneratorProblem problem = full(16, 2, 3, 20000, 200);
  AliasGenerator held(problem);
  for (int t = 0; t < problem.tokens; ++t) {
    ASSERT_EQ(held.context(0, t), held.context(0, t / 200 * 200));
    ASSERT_EQ(held.context(0, t), held.context(2, t));
  }
  problem.spec.topic_hold = 0.75;
  problem.spec.shared_topics = false;
  AliasGenerator loose(problem);
  int switches = 0, agree = 0;
  for (int t = 0; t < problem.tokens; ++t) {
    ASSERT_EQ(loose.context(0, t) / 4, loose.context(0, t / 200 * 200) / 4);  // the domain stays
    if (t % 200 != 0 && loose.context(1, t) != loose.context(1, t - 1)) ++switches;
    agree += loose.context(1, t) == loose.context(2, t) ? 1 : 0;
  }
  // A redraw finds the same topic in one of four cases. Five sigma of binomials.
  EXPECT_NEAR(switches / 19900.0, 0.25 * 0.75, 5 * std::sqrt(0.1875 * 0.8125 / 19900));
  EXPECT_NEAR(agree / 20000.0, 0.25, 5 * std::sqrt(0.25 * 0.75 / 20000 * 8));
}

TEST(AliasGenerator, LayoutsAreKept) {
  GeneratorProblem problem = full(16, 2, 2, 0, 1);
  problem.sequences = {{0, 5}, {2, 7}, {1, 1}};
  const AliasGenerator generator(problem);
  EXPECT_EQ(generator.tokens(), 13);
  EXPECT_EQ(generator.sequences(), 3);
  EXPECT_EQ(generator.sequence_domains()[1], 2);
  EXPECT_EQ(generator.context(1, 5) / 4, 2);
  EXPECT_EQ(generator.select().size(), 2u * 13 * 2);
}

TEST(AliasGenerator, RefusesBadProblems) {
  const auto refused = [](auto&& change) {
    GeneratorProblem problem = full(16, 2, 2, 100, 10);
    change(problem);
    EXPECT_THROW(AliasGenerator{problem}, std::invalid_argument);
  };
  refused([](GeneratorProblem& p) { p.experts = 1025; });
  refused([](GeneratorProblem& p) { p.top_k = 17; });
  refused([](GeneratorProblem& p) { p.tokens = 0; });
  refused([](GeneratorProblem& p) { p.spec.stickiness = 0.95; });
  refused([](GeneratorProblem& p) { p.spec.sigma_domain = -1; });
  refused([](GeneratorProblem& p) { p.spec.sigma_domain = std::nan(""); });
  refused([](GeneratorProblem& p) { p.spec.domains = 5000; });
  refused([](GeneratorProblem& p) { p.window = 1 << 16; });
  refused([](GeneratorProblem& p) { p.sequences = {{3, 100}}; });
  refused([](GeneratorProblem& p) { p.sequences = {{0, 99}}; });
  refused([](GeneratorProblem& p) { p.weights = {1, 2}; });
  refused([](GeneratorProblem& p) { p.weights.assign(32, 0); });
}

}  // namespace
}  // namespace tollgate::kernels
