// Proves: traces and tables of counts are read or refused with file and line, statistics of traces
// equal brute force, and the load models have their stated shapes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "kernels/generator/load_models.h"
#include "kernels/trace/trace_reader.h"
#include "kernels/trace/trace_statistics.h"

namespace tollgate::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The message with which `act` refuses, or "accepted".
template <typename Act>
std::string refusal(Act act) {
  try {
    act();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

std::string parse_refusal(const std::string& text, int experts = 8, int top_k = 2) {
  return refusal([&] { parse_trace_layer(text, "some.txt", experts, top_k); });
}

/// A folder that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "trace_test_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path() const { return path_; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << text;
    return path_ + "/" + name;
  }
  std::string write_gz(const std::string& name, const std::string& text) const {
    const std::string path = path_ + "/" + name;
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
    return path;
  }

 private:
  std::string path_;
};

TEST(TraceReader, ReadsSequencesByLine) {
  const TraceLayer layer = parse_trace_layer("1\t2\t3\t4\n\t5 6\t\r\n7\t0", "x", 8, 2);
  EXPECT_THAT(layer.lengths, ElementsAre(2, 1, 1));
  EXPECT_THAT(layer.ids, ElementsAre(1, 2, 3, 4, 5, 6, 7, 0));
}

TEST(TraceReader, IgnoresGateWeightsAfterAnEmptyField) {
  const TraceLayer layer = parse_trace_layer("1\t2\t3\t4\t\t0.25\t0.1\t0.3\t0.2\n", "x", 8, 2);
  EXPECT_THAT(layer.ids, ElementsAre(1, 2, 3, 4));
}

TEST(TraceReader, RefusesBadLinesWithFileAndLine) {
  EXPECT_EQ(parse_refusal("1\t2\n3\t8\n"),
            "some.txt, line 2: expert 8 does not exist; ids are 0 to 7.");
  EXPECT_EQ(parse_refusal("1\t-2\n"),
            "some.txt, line 1: expert -2 does not exist; ids are 0 to 7.");
  EXPECT_EQ(parse_refusal("1\t2\n1\t2\t3\n"),
            "some.txt, line 2: 3 expert ids are not a multiple of top_k = 2; the line is cut short "
            "or has another top_k.");
  EXPECT_EQ(parse_refusal("1\t2\n\n3\t4\n"), "some.txt, line 2: the line has no expert ids.");
  EXPECT_EQ(parse_refusal("1\tx\n"), "some.txt, line 1: \"x\" is not an expert id.");
  EXPECT_EQ(parse_refusal("1\t2.5\n"), "some.txt, line 1: \"2.5\" is not an expert id.");
  EXPECT_EQ(parse_refusal("1\t99999999999999999999\n"),
            "some.txt, line 1: \"99999999999999999999\" is not an expert id.");
  EXPECT_EQ(parse_refusal("1\t2\t3\t3\n"),
            "some.txt, line 1: a token has expert 3 twice (token 1); is top_k really 2?");
  EXPECT_EQ(parse_refusal(""), "some.txt is empty.");
  EXPECT_THAT(parse_refusal("1\n", 8, 9), HasSubstr("beyond the engine's limits"));
}

TEST(TraceReader, ReadsFoldersPlainAndCompressed) {
  const Folder folder;
  folder.write("law_layer01.txt", "0\t1\t2\t3\n4\t5\n");
  folder.write_gz("law_layer02.txt.gz", "1\t0\t3\t2\n5\t4\n");
  folder.write("code_layer01.txt", "6\t7\n");
  folder.write_gz("code_layer02.txt.gz", "7\t6\n");
  for (const char* other : {"README.md", "_layer01.txt", "law_layer.txt", "law_layerx.txt",
                            "law_layer-1.txt", "law_layer01.csv", "law_layer00001.txt"}) {
    folder.write(other, "not a trace");
  }
  const RoutingTrace trace = read_trace(find_trace_files(folder.path()), 8, 2);
  EXPECT_EQ(trace.layers, 2);
  EXPECT_EQ(trace.tokens(), 4);
  EXPECT_THAT(trace.domains, ElementsAre("code", "law"));
  EXPECT_THAT(trace.ids, ElementsAre(6, 7, 0, 1, 2, 3, 4, 5, 7, 6, 1, 0, 3, 2, 5, 4));
  EXPECT_THAT(trace.choice(1, 3), ElementsAre(5, 4));
  const RoutingTrace odd = half_of(trace, 1);
  EXPECT_EQ(odd.tokens(), 1);
  EXPECT_THAT(odd.ids, ElementsAre(4, 5, 5, 4));
  EXPECT_EQ(half_of(trace, 0).tokens(), 3);
}

TEST(TraceReader, RefusesFilesThatDoNotFitTogether) {
  const Folder folder;
  const std::string a1 = folder.write("a_layer01.txt", "0\t1\t2\t3\n4\t5\n");
  const std::string longer = folder.write("a_layer02.txt", "0\t1\n4\t5\n");
  const std::string fewer = folder.write("a_layer03.txt", "0\t1\t2\t3\n");
  const std::string cut = folder.write_gz("b.gz", std::string(5000, '1'));
  std::filesystem::resize_file(cut, 15);
  const auto read = [](std::vector<TraceFile> files) {
    return refusal([&] { read_trace(files, 8, 2); });
  };
  EXPECT_THAT(read({{"a", 1, a1}, {"a", 2, longer}}), HasSubstr("a_layer02.txt, line 1: the seq"));
  EXPECT_THAT(read({{"a", 1, a1}, {"a", 2, fewer}}), HasSubstr("has fewer sequences than"));
  EXPECT_THAT(read({{"a", 1, fewer}, {"a", 2, a1}}), HasSubstr("a_layer01.txt, line 2: the seq"));
  EXPECT_THAT(read({{"a", 1, a1}, {"b", 2, a1}}), HasSubstr("Layer 2 of a is missing"));
  EXPECT_THAT(read({{"a", 1, a1}, {"a", 1, longer}}), HasSubstr("are layer 1 of a."));
  EXPECT_THAT(read({{"a", 1, cut}}), HasSubstr("is damaged: "));
  EXPECT_THAT(read({{"a", 1, folder.path() + "/none"}}), HasSubstr("is not a file"));
  EXPECT_THAT(read({}), HasSubstr("no trace files"));
  EXPECT_THAT(refusal([&] { find_trace_files(folder.path() + "/none"); }), HasSubstr("be read"));
  const Folder empty;
  EXPECT_THAT(refusal([&] { find_trace_files(empty.path()); }), HasSubstr("has no files named"));
}

TEST(ExpertCounts, ReadsAnyColumnOrder) {
  const ExpertCounts counts = parse_expert_counts(
      "expert_id,model,activation_count, layer_id\n2,m,5,7\n0,m,1,3\r\n1,m,4,3\n", "c.csv");
  EXPECT_THAT(counts.layer_ids, ElementsAre(3, 7));
  EXPECT_EQ(counts.experts, 3);
  EXPECT_THAT(counts.counts, ElementsAre(1, 4, 0, 0, 0, 5));
  const Folder folder;
  const std::string head = "layer_id,expert_id,activation_count\n";
  EXPECT_EQ(read_expert_counts(folder.write_gz("c.csv.gz", head + "0,0,3\n")).counts[0], 3);
}

TEST(ExpertCounts, RefusesBadTables) {
  const std::string head = "layer_id,expert_id,activation_count\n";
  const auto refused = [](const std::string& text) {
    return refusal([&] { parse_expert_counts(text, "c.csv"); });
  };
  EXPECT_EQ(refused(""), "c.csv is empty.");
  EXPECT_EQ(refused("layer_id,expert_id\n"),
            "c.csv, line 1: the header has no column activation_count.");
  EXPECT_EQ(refused(head), "c.csv has a header and no rows.");
  EXPECT_EQ(refused(head + "0,1\n"),
            "c.csv, line 2: the line is short: activation_count is missing.");
  EXPECT_EQ(refused(head + "0,1,2\n0,1,2\n"), "c.csv, line 3: layer 0, expert 1 was given before.");
  EXPECT_EQ(refused(head + "0,1,-2\n"),
            "c.csv, line 2: activation_count is \"-2\"; it must be a whole number, 0 or more.");
  EXPECT_EQ(refused(head + "0,1.5,2\n"),
            "c.csv, line 2: expert_id is \"1.5\"; it must be a whole number, 0 or more.");
  EXPECT_EQ(refused(head + "\n0,1,2\n"), "c.csv, line 2: the line is empty.");
  EXPECT_THAT(refused(head + "0,1024,2\n"), HasSubstr("beyond the limit of 1024"));
}

RoutingTrace small_trace() {
  GeneratorProblem problem;
  problem.experts = 12;
  problem.top_k = 3;
  problem.layers = 3;
  problem.seed = 5;
  problem.spec.sigma_global = 0.3;
  problem.spec.sigma_domain = 0.8;
  problem.spec.sigma_topic = 0.3;
  problem.spec.stickiness = 0.3;
  problem.spec.domains = 2;
  problem.spec.topics = 3;
  problem.sequences = {{0, 30}, {1, 90}, {0, 7}, {1, 1}, {0, 110}};
  return trace_of(AliasGenerator(problem));
}

double overlap(const RoutingTrace& trace, int layer, int a, int b) {
  double same = 0;
  for (const auto e : trace.choice(layer, a)) {
    for (const auto f : trace.choice(layer, b)) same += e == f ? 1 : 0;
  }
  return same / trace.top_k;
}

struct Averages {
  double lag1 = 0, lag64 = 0, same_sequence = 0, same_domain = 0, cross_domain = 0;
};

/// Every pair of tokens, one by one, as the header says.
Averages brute_force(const RoutingTrace& trace, int skip) {
  Averages all;
  for (int layer = 0; layer < trace.layers; ++layer) {
    Averages sum;
    double cross = 0, cross_pairs = 0;
    for (int d = 0; d < 2; ++d) {
      double lag1 = 0, lag1_pairs = 0, lag64 = 0, lag64_pairs = 0, within = 0, within_tokens = 0;
      double domain = 0, domain_pairs = 0;
      for (const TraceSequence& s : trace.sequences) {
        if (s.domain != d) continue;
        double own = 0, own_pairs = 0;
        for (int i = 0; i < s.tokens; ++i) {
          for (int j = 0; j < s.tokens; ++j) {
            const double same = overlap(trace, layer, s.first + i, s.first + j);
            if (i != j) own += same, own_pairs += 1;
            if (i == j + 1 && j >= skip) lag1 += same, lag1_pairs += 1;
            if (i == j + 64 && j >= skip) lag64 += same, lag64_pairs += 1;
          }
          for (const TraceSequence& other : trace.sequences) {
            if (other.first == s.first) continue;
            for (int j = 0; j < other.tokens; ++j) {
              const double same = overlap(trace, layer, s.first + i, other.first + j);
              if (other.domain == d)
                domain += same, domain_pairs += 1;
              else
                cross += same, cross_pairs += 1;
            }
          }
        }
        if (own_pairs > 0) within += own / own_pairs * s.tokens, within_tokens += s.tokens;
      }
      sum.lag1 += lag1 / lag1_pairs / 2;
      sum.lag64 += lag64 / lag64_pairs / 2;
      sum.same_sequence += within / within_tokens / 2;
      sum.same_domain += domain / domain_pairs / 2;
    }
    all.lag1 += sum.lag1 / trace.layers;
    all.lag64 += sum.lag64 / trace.layers;
    all.same_sequence += sum.same_sequence / trace.layers;
    all.same_domain += sum.same_domain / trace.layers;
    all.cross_domain += cross / cross_pairs / trace.layers;
  }
  return all;
}

TEST(TraceStatistics, OverlapsEqualBruteForce) {
  const RoutingTrace trace = small_trace();
  TraceStatisticsOptions options;
  options.batch_sizes = {8};
  options.rank_counts = {4};
  options.skip_tokens = 3;
  const TraceStatistics statistics = trace_statistics(trace, options);
  const Averages exact = brute_force(trace, 3);
  EXPECT_NEAR(statistics.lag1, exact.lag1, 1e-12);
  EXPECT_NEAR(statistics.lag64, exact.lag64, 1e-12);
  EXPECT_NEAR(statistics.same_sequence, exact.same_sequence, 1e-12);
  EXPECT_NEAR(statistics.same_domain, exact.same_domain, 1e-12);
  EXPECT_NEAR(statistics.cross_domain, exact.cross_domain, 1e-12);
}

// Random tokens with replacement: distinct experts have the mean sum of 1 - (1 - share)^T, and the
// squared CV of one layer's batch the mean of the multinomial one; five standard errors.
TEST(TraceStatistics, RandomBatchesHaveTheirExpectations) {
  const RoutingTrace trace = small_trace();
  TraceStatisticsOptions options;
  options.batch_sizes = {1, 4, 16};
  options.rank_counts = {1, 12};
  options.samples = 4000;
  const TraceStatistics statistics = trace_statistics(trace, options);
  int tokens[2] = {};
  for (const TraceSequence& s : trace.sequences) tokens[s.domain] += s.tokens;
  for (std::size_t i = 0; i < 3; ++i) {
    double expected = 0, single = 0, variance = 0;
    const int size = options.batch_sizes[i];
    for (int layer = 0; layer < trace.layers; ++layer) {
      for (int e = 0; e < trace.experts; ++e) {
        double share[2] = {};
        for (const TraceSequence& s : trace.sequences) {
          for (int t = s.first; t < s.first + s.tokens; ++t) {
            const auto choice = trace.choice(layer, t);
            if (std::count(choice.begin(), choice.end(), e) > 0) {
              share[s.domain] += 1.0 / tokens[s.domain];
            }
          }
        }
        const double miss = std::pow(1 - (share[0] + share[1]) / 2, size);
        expected += (1 - miss) / trace.layers;
        variance += miss * (1 - miss) / trace.layers;
        for (const double p : share) single += (1 - std::pow(1 - p, size)) / 2 / trace.layers;
      }
    }
    const double tolerance = 5 * std::sqrt(variance / (options.samples * trace.layers)) + 1e-9;
    EXPECT_NEAR(statistics.mixed[i].distinct, expected, tolerance) << size;
    EXPECT_NEAR(statistics.single_domain[i].distinct, single, tolerance) << size;
    EXPECT_NEAR(statistics.mixed[i].rank_max_over_mean[0], 1.0, 1e-12);
    EXPECT_NEAR(statistics.mixed[i].rank_max_over_mean[1], statistics.mixed[i].max_over_mean, 1e-9);
  }
  // One token of three distinct experts among twelve: everything is known.
  EXPECT_NEAR(statistics.mixed[0].max_over_mean, 4.0, 1e-9);
  EXPECT_NEAR(statistics.mixed[0].cv, std::sqrt(3.0), 1e-9);
  EXPECT_NEAR(statistics.prefill[0].distinct, 3.0, 1e-9);
  EXPECT_LT(statistics.prefill[2].distinct, statistics.single_domain[2].distinct);
}

TEST(TraceStatistics, PredictsLayersThatFollowFromEachOther) {
  RoutingTrace trace = small_trace();
  const std::size_t row = trace.ids.size() / 3;
  for (std::size_t i = 0; i < row; ++i) {  // layer 1 is a rotation of layer 0
    trace.ids[row + i] = static_cast<std::uint16_t>((trace.ids[i] + 5) % 12);
  }
  TraceStatisticsOptions options;
  options.rank_counts = {2};
  options.cross_layer = true;
  trace.layers = 2;
  trace.ids.resize(2 * row);
  const TraceStatistics statistics = trace_statistics(trace, options);
  EXPECT_GT(statistics.cross_layer, 0.8);
  EXPECT_LT(statistics.cross_layer_marginal, 0.6);
}

TEST(TraceStatistics, DoNotDependOnThreads) {
  const RoutingTrace trace = small_trace();
  std::vector<TraceStatistics> results;
  for (const std::size_t threads : {1, 4}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    TraceStatisticsOptions options;
    options.rank_counts = {3};
    results.push_back(trace_statistics(trace, options));
  }
  EXPECT_EQ(results[0].lag1, results[1].lag1);
  EXPECT_EQ(results[0].layer_spread, results[1].layer_spread);
  for (std::size_t i = 0; i < results[0].mixed.size(); ++i) {
    EXPECT_EQ(results[0].mixed[i].cv, results[1].mixed[i].cv);
    EXPECT_EQ(results[0].prefill[i].max_over_mean, results[1].prefill[i].max_over_mean);
  }
}

TEST(TraceStatistics, RefusesSenselessOptions) {
  TraceStatisticsOptions options;
  options.samples = 0;
  EXPECT_THROW(trace_statistics(small_trace(), options), std::invalid_argument);
  EXPECT_THROW(trace_statistics(RoutingTrace{}), std::invalid_argument);
  options = {};  // 16 ranks for 12 experts
  EXPECT_THROW(trace_statistics(small_trace(), options), std::invalid_argument);
}

TEST(LoadModels, ZipfIsAPowerOfTheRank) {
  const auto weights = zipf_weights(1024, 1.25);
  for (int e = 0; e < 1024; ++e) {
    const double exact = std::pow(e + 1.0, -1.25) * 2147483648.0;
    EXPECT_NEAR(weights[e], exact, 1e-5 * exact + 2) << e;
  }
}

/// Kolmogorov's distance of draws to the distribution function of the truncated power law, times
/// sqrt(n); above 2.2 has a chance of 1e-4 (less here, since the median is made to agree).
TEST(LoadModels, PowerLawHasItsDistributionAndGrowsWithTokens) {
  for (const double alpha : {0.0, 0.5, 1.0, 1.2, 2.0}) {
    const int experts = 1024, tokens = 1 << 20;
    const auto counts = power_law_counts(experts, 8, tokens, alpha, 3, 0);
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}), 8ll * tokens);
    // Only ratios survive the scaling: recover the scale from the median's theoretical value.
    std::vector<double> x(counts.begin(), counts.end());
    std::sort(x.begin(), x.end());
    const double b = 0.8 * tokens, a = 1 - alpha;
    const auto cdf = [&](double v) {
      return a == 0 ? std::log(v) / std::log(b) : (std::pow(v, a) - 1) / (std::pow(b, a) - 1);
    };
    const double median = a == 0 ? std::sqrt(b) : std::pow((std::pow(b, a) + 1) / 2, 1 / a);
    const double scale = median / x[512];
    double distance = 0;
    for (int i = 0; i < experts; ++i) {
      if (x[i] < 20 || x[i] >= tokens) continue;  // rounded too coarsely, or cut off
      const double at = std::clamp(cdf(std::max(x[i] * scale, 1.0)), 0.0, 1.0);
      distance = std::max(distance, std::abs(at - (i + 0.5) / experts));
    }
    EXPECT_LT(distance * std::sqrt(experts), 2.2) << alpha;
  }
  const auto skew = [](int tokens) {
    double sum = 0;
    for (std::uint32_t stream = 0; stream < 200; ++stream) {
      const auto counts = power_law_counts(64, 6, tokens, 1.2, 3, stream);
      EXPECT_LE(*std::max_element(counts.begin(), counts.end()), tokens);
      sum += static_cast<double>(*std::max_element(counts.begin(), counts.end())) * 64 / 6 / tokens;
    }
    return sum / 200;
  };
  EXPECT_GT(skew(4096), 1.2 * skew(64));  // the opposite of what traces show
}

// Counts of a skewed layer come back within 7 % of every expert's count (standard error of a count
// of 60 000 tokens: below 2 % for the rarest here).
TEST(LoadModels, ReplayBringsCountsBack) {
  std::vector<std::int64_t> counts;
  for (int layer = 0; layer < 2; ++layer) {
    for (int e = 0; e < 64; ++e) {
      counts.push_back(static_cast<std::int64_t>(1000 * std::exp(0.5 * std::sin(e * 7.7 + layer))));
    }
  }
  GeneratorProblem problem;
  problem.experts = 64;
  problem.top_k = 6;
  problem.layers = 2;
  problem.tokens = 60000;
  problem.weights = replay_weights(counts, 64, 6);
  const auto drawn = AliasGenerator(problem).histogram();
  for (int layer = 0; layer < 2; ++layer) {
    double sum = 0;
    for (int e = 0; e < 64; ++e) sum += static_cast<double>(counts[layer * 64 + e]);
    for (int e = 0; e < 64; ++e) {
      const double expected = static_cast<double>(counts[layer * 64 + e]) / sum * 360000;
      EXPECT_NEAR(static_cast<double>(drawn[layer * 64 + e]) / expected, 1, 0.07) << e;
    }
  }
}

TEST(LoadModels, RefuseBadInput) {
  const std::vector<std::int64_t> zero(4, 0), negative = {1, -1, 1, 1}, odd = {1, 2, 3};
  EXPECT_THROW(replay_weights(zero, 4, 1), std::invalid_argument);
  EXPECT_THROW(replay_weights(negative, 4, 1), std::invalid_argument);
  EXPECT_THROW(replay_weights(odd, 4, 1), std::invalid_argument);
  EXPECT_THROW(zipf_weights(0, 1), std::invalid_argument);
  EXPECT_THROW(power_law_counts(4, 5, 10, 1, 1, 0), std::invalid_argument);
  EXPECT_THROW(power_law_counts(4, 2, 1, 1, 1, 0), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate::kernels
