// Proves: hash routing looks up what the table says, the made table gives every id distinct experts
// at random, and token ids follow the law.

#include "kernels/core/hash_routing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "kernels/registry.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

RoutingProblem hash_problem(int experts, int top_k, int tokens) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::sqrt_softplus, top_k), experts);
  problem.gate.hash = true;
  problem.tokens = tokens;
  problem.batch_sizes = {};
  return problem;
}

TEST(HashRouting, ATableGivenIsCopied) {
  RoutingProblem problem = hash_problem(16, 3, 400);
  problem.hash.vocabulary = 5;
  for (int layer = 0; layer < 3; ++layer) {
    for (int id = 0; id < 5; ++id) {
      for (int n = 0; n < 3; ++n) {
        problem.hash.table.push_back(static_cast<std::uint16_t>((layer + 3 * id + 5 * n) % 16));
      }
    }
  }
  const HashRouting hash(problem);
  const auto ids = find_backend("tbb").select(problem);
  std::set<std::uint32_t> seen;
  for (int layer = 0; layer < 3; ++layer) {
    for (int token = 0; token < 400; ++token) {
      const int id = static_cast<int>(hash.token_ids()[token]);
      ASSERT_LT(id, 5);
      seen.insert(hash.token_ids()[token]);
      for (int n = 0; n < 3; ++n) {
        ASSERT_EQ(ids[(layer * 400 + token) * 3 + n], (layer + 3 * id + 5 * n) % 16);
      }
    }
  }
  EXPECT_EQ(seen.size(), 5u);
}

TEST(HashRouting, EqualIdsGoToEqualExpertsInAnyStream) {
  RoutingProblem problem = hash_problem(256, 6, 300);
  std::vector<std::vector<std::uint16_t>> of_id(problem.hash.vocabulary);
  int repeated = 0;
  for (const std::uint32_t stream : {1u, 2u}) {
    problem.stream = stream;
    const HashRouting hash(problem);
    for (int token = 0; token < 300; ++token) {
      std::vector<std::uint16_t> chosen(6);
      hash.choose(2, token, chosen.data());
      auto& known = of_id[hash.token_ids()[token]];
      repeated += known.empty() ? 0 : 1;
      if (known.empty()) known = chosen;
      EXPECT_EQ(chosen, known);
    }
  }
  EXPECT_GT(repeated, 100);
}

// Every expert in every slot with probability 1/E: chi-square over 16 * 4 cells of 40000 draws each
// slot has mean 60 and sd sqrt(2 * 60); five sigma.
TEST(HashRouting, TheMadeTableIsUniformAndDistinct) {
  constexpr int kIds = 40000, kExperts = 16, kTopK = 4;
  std::vector<int> counts(kExperts * kTopK);
  for (int id = 0; id < kIds; ++id) {
    std::uint16_t chosen[kTopK];
    made_hash_entry(99, 1, static_cast<std::uint32_t>(id), kExperts, kTopK, chosen);
    EXPECT_EQ(std::set<int>(chosen, chosen + kTopK).size(), 4u);
    for (int n = 0; n < kTopK; ++n) ++counts[n * kExperts + chosen[n]];
  }
  double chi_square = 0;
  const double mean = static_cast<double>(kIds) / kExperts;
  for (const int n : counts) chi_square += (n - mean) * (n - mean) / mean;
  EXPECT_NEAR(chi_square, kTopK * (kExperts - 1), 5 * std::sqrt(2.0 * kTopK * (kExperts - 1)));
}

TEST(HashRouting, AnEntryOfAllExpertsIsAPermutation) {
  std::uint16_t chosen[kMaxTopK];
  made_hash_entry(1, 0, 7, kMaxTopK, kMaxTopK, chosen);
  std::sort(chosen, chosen + kMaxTopK);
  for (int e = 0; e < kMaxTopK; ++e) EXPECT_EQ(chosen[e], e);
}

// Zipf's law over 1000 ids: id i has probability 1 / ((i + 1) H(1000)); five sigma of 200000 draws.
TEST(HashRouting, TokenIdsFollowZipf) {
  RoutingProblem problem = hash_problem(16, 1, 200000);
  problem.hash.vocabulary = 1000;
  std::vector<int> counts(1000);
  const HashRouting hash(problem);
  for (const std::uint32_t id : hash.token_ids()) ++counts[id];
  double harmonic = 0;
  for (int i = 1; i <= 1000; ++i) harmonic += 1.0 / i;
  for (const int i : {0, 1, 9, 99, 999}) {
    const double p = 1 / ((i + 1) * harmonic);
    EXPECT_NEAR(counts[i], 200000 * p, 5 * std::sqrt(200000 * p)) << i;
  }
}

TEST(HashRouting, UniformIdsSpreadLoadEvenly) {
  RoutingProblem problem = hash_problem(64, 6, 100000);
  problem.hash.law = UnigramLaw::uniform;
  problem.hash.vocabulary = 1 << 24;
  const RoutingStats stats = find_backend("tbb").route(problem);
  const auto [least, most] =
      std::minmax_element(stats.expert_tokens.begin(), stats.expert_tokens.end());
  const double mean = 100000.0 * 6 / 64;
  EXPECT_GT(static_cast<double>(*least), mean - 6 * std::sqrt(mean));
  EXPECT_LT(static_cast<double>(*most), mean + 6 * std::sqrt(mean));
}

}  // namespace
}  // namespace tollgate::kernels
