// Proves: a replayed window is made of the trace's own tokens, drawn as said, whatever the threads;
// replayed counts come back; load models give the weights they name.

#include "kernels/trace/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <set>

#include "kernels/generator/load_models.h"
#include "kernels/trace/trace_statistics.h"

namespace tollgate::kernels {
namespace {

using ::testing::HasSubstr;

/// Every token is told by its ids: token t has experts t and t + 500 at layer 0, t + 1 and t + 501
/// at layer 1. Domain 0 has sequences of 30 and 10 tokens, domain 1 one of 60.
RoutingTrace numbered_trace() {
  RoutingTrace trace{1024, 2, 2, {"a", "b"}, {{0, 0, 30}, {1, 30, 60}, {0, 90, 10}}, {}};
  for (int layer = 0; layer < 2; ++layer) {
    for (int t = 0; t < 100; ++t) {
      trace.ids.push_back(static_cast<std::uint16_t>(t + layer));
      trace.ids.push_back(static_cast<std::uint16_t>(t + layer + 500));
    }
  }
  return trace;
}

/// Which tokens of the numbered trace were replayed; checks that layers and slots go together.
std::vector<int> tokens_of(const std::vector<std::uint16_t>& ids, int tokens) {
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(4 * tokens));
  std::vector<int> result;
  for (int t = 0; t < tokens; ++t) {
    result.push_back(ids[2 * t]);
    EXPECT_EQ(ids[2 * t + 1], result.back() + 500);
    EXPECT_EQ(ids[2 * (tokens + t)], result.back() + 1);
  }
  return result;
}

// 40 000 draws: a domain's share has standard deviation .0025, a token's count (500 or 333) 22 or
// 18; five of each over 100 tokens.
TEST(Replay, DrawsDomainsAndTokensEvenly) {
  const int n = 40000;
  const auto tokens = tokens_of(replay_window(numbered_trace(), n, 1, 7, 0), n);
  std::vector<int> count(100);
  for (const int t : tokens) ++count[t];
  const int second = std::accumulate(count.begin() + 30, count.begin() + 90, 0);
  EXPECT_NEAR(second, n / 2, 5 * 100);
  for (int t = 0; t < 100; ++t) {
    const double expected = t >= 30 && t < 90 ? n / 2.0 / 60 : n / 2.0 / 40;
    EXPECT_NEAR(count[t], expected, 5 * std::sqrt(expected)) << t;
  }
}

TEST(Replay, RunsFollowSequencesAndGoOnWithAnotherOfTheDomain) {
  const int n = 8000, run = 80;
  const auto tokens = tokens_of(replay_window(numbered_trace(), n, run, 7, 0), n);
  const auto domain = [](int t) { return t >= 30 && t < 90; };
  const std::set<int> ends = {29, 89, 99}, begins = {0, 30, 90};
  int joints = 0;
  std::set<int> after_first;
  for (int t = 0; t < n; ++t) {
    if (t % run == 0) continue;
    EXPECT_EQ(domain(tokens[t]), domain(tokens[t - 1]));
    if (ends.contains(tokens[t - 1])) {
      EXPECT_TRUE(begins.contains(tokens[t])) << tokens[t];
      if (tokens[t - 1] == 29) after_first.insert(tokens[t]);
      ++joints;
    } else {
      EXPECT_EQ(tokens[t], tokens[t - 1] + 1);
    }
  }
  EXPECT_GE(joints, n / run);  // no sequence is longer than 60
  EXPECT_EQ(after_first, (std::set<int>{0, 90}));
}

TEST(Replay, KeepsToOneDomain) {
  const RoutingTrace trace = numbered_trace();
  for (const int run : {1, 50}) {
    for (const int t :
         tokens_of(replay_window(trace, 500, run, 1, 0, domain_of(trace, "b")), 500)) {
      EXPECT_TRUE(t >= 30 && t < 90);
    }
  }
}

TEST(Replay, IsAFunctionOfSeedAndStreamOnly) {
  const RoutingTrace trace = numbered_trace();
  for (const int run : {1, 7}) {
    const auto all = replay_window(trace, 5000, run, 3, 4);
    {
      const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
      EXPECT_EQ(replay_window(trace, 5000, run, 3, 4), all);
    }
    EXPECT_NE(replay_window(trace, 5000, run, 4, 4), all);
    EXPECT_NE(replay_window(trace, 5000, run, 3, 5), all);
    // A shorter window is the beginning of a longer one, here at the first layer.
    const auto part = replay_window(trace, 100, run, 3, 4);
    EXPECT_TRUE(std::equal(part.begin(), part.begin() + 200, all.begin()));
  }
}

TEST(Replay, RefusesBadInput) {
  RoutingTrace trace = numbered_trace();
  EXPECT_THROW(replay_window(RoutingTrace{}, 1, 1, 0, 0), std::invalid_argument);
  EXPECT_THROW(replay_window(trace, 0, 1, 0, 0), std::invalid_argument);
  EXPECT_THROW(replay_window(trace, (1 << 24) + 1, 1, 0, 0), std::invalid_argument);
  EXPECT_THROW(replay_window(trace, 1, 0, 0, 0), std::invalid_argument);
  EXPECT_THROW(replay_window(trace, 1, 1, 0, 0, 2), std::invalid_argument);
  EXPECT_THROW(replay_window(trace, 1, 1, 0, 0, -2), std::invalid_argument);
  trace.domains.push_back("empty");
  EXPECT_THROW(replay_window(trace, 1, 1, 0, 0, 2), std::invalid_argument);
  EXPECT_NO_THROW(replay_window(trace, 1, 1, 0, 0));
  try {
    domain_of(trace, "c");
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "The trace has no domain \"c\"; it has a, b, empty.");
  }
}

// Within 7 % of every count, as LoadModels.ReplayBringsCountsBack says of the weights.
TEST(Replay, CountsComeBack) {
  ExpertCounts counts{{1, 2}, 64, {}};
  for (int i = 0; i < 128; ++i) {
    counts.counts.push_back(static_cast<std::int64_t>(1000 * std::exp(0.5 * std::sin(i * 7.7))));
  }
  const int tokens = 60000;
  const auto ids = replay_counts(counts, 6, tokens, 1, 0);
  ASSERT_EQ(ids.size(), static_cast<std::size_t>(2 * tokens * 6));
  for (int layer = 0; layer < 2; ++layer) {
    std::vector<int> drawn(64);
    for (int i = 0; i < tokens * 6; ++i) ++drawn[ids[layer * tokens * 6 + i]];
    const auto first = counts.counts.begin() + layer * 64;
    const double sum = static_cast<double>(std::accumulate(first, first + 64, std::int64_t{0}));
    for (int e = 0; e < 64; ++e) {
      const double expected = static_cast<double>(first[e]) / sum * tokens * 6;
      EXPECT_NEAR(drawn[e] / expected, 1, 0.07) << e;
    }
  }
  counts.counts[5] = -1;
  EXPECT_THROW(replay_counts(counts, 6, 10, 1, 0), std::invalid_argument);
}

TEST(LoadModel, IsNamed) {
  EXPECT_EQ(parse_load_model("uniform").kind, LoadModel::Kind::uniform);
  const LoadModel zipf = parse_load_model("zipf:1.5");
  EXPECT_EQ(zipf.kind, LoadModel::Kind::zipf);
  EXPECT_EQ(zipf.exponent, 1.5);
  EXPECT_EQ(to_text(zipf), "Zipf 1.5");
  EXPECT_EQ(to_text(parse_load_model("power_law:1.01")), "power law 1.01 (AIConfigurator)");
  for (const char* bad : {"", "uniform:1", "zipf", "zipf:", "zipf:nan", "zipf:inf", "zipf:-1",
                          "zipf:9", "zipf:1x", "power:1"}) {
    EXPECT_THROW(parse_load_model(bad), std::invalid_argument) << bad;
  }
}

TEST(LoadModel, ZipfPermutesEveryLayer) {
  const LoadModel model{LoadModel::Kind::zipf, 1.0, {}};
  const auto weights = weights_of(model, 64, 6, 200, 1, 3);
  const auto ranked = zipf_weights(64, 1.0);
  std::set<std::ptrdiff_t> hottest;
  double first_rank = 0;
  for (int layer = 0; layer < 200; ++layer) {
    std::vector<std::uint32_t> row(weights.begin() + layer * 64, weights.begin() + layer * 64 + 64);
    hottest.insert(std::max_element(row.begin(), row.end()) - row.begin());
    first_rank += std::accumulate(row.begin(), row.begin() + 8, 0.0);
    std::sort(row.rbegin(), row.rend());
    ASSERT_EQ(row, ranked) << layer;
  }
  // The hottest expert of 200 layers falls on 61 of 64 experts, give or take 1.5.
  EXPECT_GE(hottest.size(), 54u);
  // The first of eight ranks has an eighth; sd of one layer's share .084 of the sum, of 200 .006.
  EXPECT_NEAR(first_rank / 200 / std::accumulate(ranked.begin(), ranked.end(), 0.0), 0.125, 0.03);
}

TEST(LoadModel, UniformAndCountsHaveTheirRows) {
  const auto even = weights_of({LoadModel::Kind::uniform, 0, {}}, 4, 2, 3, 1, 0);
  EXPECT_EQ(even, std::vector<std::uint32_t>(12, even[0]));
  EXPECT_EQ(weights_of({LoadModel::Kind::power_law, 0, {}}, 4, 2, 3, 1, 0), even);
  LoadModel counts{LoadModel::Kind::counts, 0, {1, 2, 3, 4, 4, 3, 2, 1}};
  const auto two = weights_of(counts, 4, 1, 2, 1, 0), four = weights_of(counts, 4, 1, 4, 1, 0);
  EXPECT_EQ(two, replay_weights(counts.counts, 4, 1));
  for (int i = 0; i < 16; ++i) EXPECT_EQ(four[i], two[i / 8 * 4 + i % 4]);
  EXPECT_THROW(weights_of(counts, 3, 1, 2, 1, 0), std::invalid_argument);
  EXPECT_THROW(weights_of({LoadModel::Kind::power_law, 1, {}}, 4, 1, 2, 1, 0),
               std::invalid_argument);
  EXPECT_THROW(weights_of({}, 4, 5, 1, 1, 0), std::invalid_argument);
  EXPECT_THROW(weights_of({}, 4, 2, 0, 1, 0), std::invalid_argument);
}

/// Mean over layers of expert max / mean.
double max_over_mean(const std::vector<std::int64_t>& counts, int experts) {
  double sum = 0;
  const auto layers = static_cast<int>(counts.size()) / experts;
  for (int layer = 0; layer < layers; ++layer) {
    const auto first = counts.begin() + layer * experts;
    const double most = static_cast<double>(*std::max_element(first, first + experts));
    sum += most * experts /
           static_cast<double>(std::accumulate(first, first + experts, std::int64_t{0}));
  }
  return sum / layers;
}

// AIConfigurator's power law against a trace: 256 experts, top-8, 400 draws. Computed before with
// another program: 4.7, 6.8, 8.8 at 128, 1024, 8192 tokens for alpha 1.01, and 6.1, 11, 18 for 1.2.
// Drawn values stand for loads there, and here they are scaled to tokens * top_k, which changes no
// ratio. The standard error of 400 draws is below 2 %, and theirs is not known: 8 %.
TEST(LoadModel, PowerLawGrowsWithTheBatch) {
  const double before[2][3] = {{4.7, 6.8, 8.8}, {6.1, 11, 18}};
  for (int a = 0; a < 2; ++a) {
    for (int i = 0; i < 3; ++i) {
      const int tokens = 128 << (3 * i);
      std::vector<std::int64_t> counts;
      for (std::uint32_t layer = 0; layer < 400; ++layer) {
        const auto row = power_law_counts(256, 8, tokens, a == 0 ? 1.01 : 1.2, 5, layer);
        counts.insert(counts.end(), row.begin(), row.end());
      }
      const double skew = max_over_mean(counts, 256);
      std::cout << "alpha " << (a == 0 ? 1.01 : 1.2) << ", " << tokens << " tokens: " << skew
                << '\n';
      EXPECT_NEAR(skew / before[a][i], 1, 0.08) << tokens;
    }
  }
}

// And routed token by token from the weights: less than the counts say where an expert would be in
// nearly every token, but growing all the same, while the recorded trace falls.
TEST(LoadModel, TheTraceFallsWithTheBatch) {
  const std::string folder = std::string(TOLLGATE_SHARED) + "/data/routing";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << "no routing traces of deepseek-ai/ESFT in the data folder";
  }
  const RoutingTrace trace = read_trace(find_trace_files(folder), 64, 6);
  double last_trace = 1e9;
  std::vector<double> law;
  for (const int tokens : {128, 1024, 8192}) {
    std::vector<std::int64_t> replayed, drawn;
    for (std::uint32_t stream = 0; stream < 16; ++stream) {
      const auto ids = replay_window(trace, tokens, 1, 1, stream);
      std::vector<std::int64_t> counts(static_cast<std::size_t>(trace.layers) * 64);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        ++counts[i / (static_cast<std::size_t>(tokens) * 6) * 64 + ids[i]];
      }
      replayed.insert(replayed.end(), counts.begin(), counts.end());
      GeneratorProblem problem;
      problem.experts = 64;
      problem.top_k = 6;
      problem.layers = trace.layers;
      problem.tokens = tokens;
      problem.seed = stream;
      problem.weights =
          weights_of({LoadModel::Kind::power_law, 1.01, {}}, 64, 6, trace.layers, tokens, stream);
      const auto histogram = AliasGenerator(problem).histogram();
      drawn.insert(drawn.end(), histogram.begin(), histogram.end());
    }
    const double skew = max_over_mean(replayed, 64);
    law.push_back(max_over_mean(drawn, 64));
    std::cout << tokens << " tokens: trace " << skew << ", power law 1.01 " << law.back() << '\n';
    EXPECT_LT(skew, last_trace);
    last_trace = skew;
  }
  EXPECT_GT(law[2], 1.15 * law[0]);
}

// Mixed traffic replayed has the skew that trace_statistics takes of the same trace by itself: the
// mean of 64 windows at 26 layers, 2 %.
TEST(Replay, HasTheStatisticsOfTheTrace) {
  const std::string folder = std::string(TOLLGATE_SHARED) + "/data/routing";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << "no routing traces of deepseek-ai/ESFT in the data folder";
  }
  const RoutingTrace trace = read_trace(find_trace_files(folder), 64, 6);
  TraceStatisticsOptions options;
  options.batch_sizes = {64, 512};
  options.samples = 64;
  const TraceStatistics statistics = trace_statistics(trace, options);
  for (std::size_t i = 0; i < 2; ++i) {
    const int tokens = options.batch_sizes[i];
    std::vector<std::int64_t> all;
    for (std::uint32_t stream = 0; stream < 64; ++stream) {
      const auto ids = replay_window(trace, tokens, 1, 9, stream);
      std::vector<std::int64_t> counts(static_cast<std::size_t>(trace.layers) * 64);
      for (std::size_t j = 0; j < ids.size(); ++j) {
        ++counts[j / (static_cast<std::size_t>(tokens) * 6) * 64 + ids[j]];
      }
      all.insert(all.end(), counts.begin(), counts.end());
    }
    EXPECT_NEAR(max_over_mean(all, 64) / statistics.mixed[i].max_over_mean, 1, 0.02) << tokens;
  }
}

}  // namespace
}  // namespace tollgate::kernels
