#include "sim/operators/moe_loads.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace tollgate {
namespace {

constexpr auto balanced = "balanced";

// Expected values from the description alone, worked by hand.
TEST(PublishedLoad, BalancedTokensTakeEveryStrideThExpert) {
  // One token: experts 0, 32, 64, ... of 256: rank 0 of 8 holds one of its eight.
  const RankLoad one = published_load(256, 8, 8, 1, balanced);
  EXPECT_EQ(one.rows, 1);
  EXPECT_EQ(one.active, 1);
  EXPECT_EQ(one.rows16, 16);
  EXPECT_EQ(one.rows128, 128);
  // 32 tokens fill the stride: every expert once.
  const RankLoad full = published_load(256, 8, 8, 32, balanced);
  EXPECT_EQ(full.rows, 32);
  EXPECT_EQ(full.active, 32);
  // 4096 tokens: 128 rows each; nothing is padded.
  const RankLoad many = published_load(256, 8, 8, 4096, balanced);
  EXPECT_EQ(many.rows, 4096);
  EXPECT_EQ(many.rows128, 4096);
  // Four tokens spread over the stride of 32: 0, 8, 16, 24 and the same 32 further.
  EXPECT_EQ(published_load(256, 8, 1, 4, balanced).active, 32);
  EXPECT_EQ(published_load(256, 8, 16, 4, balanced).active, 2);
}

TEST(PublishedLoad, OneRankHasEveryRowAndTheFullestHasAtLeastItsShare) {
  for (const char* distribution : {"power_law_1.01", "power_law_1.2"}) {
    for (const int tokens : {1, 3, 16, 100, 1024, 16384}) {
      const RankLoad all = published_load(128, 8, 1, tokens, distribution);
      EXPECT_NEAR(all.rows, 8.0 * tokens, 1e-6);
      EXPECT_LE(all.active, 128);
      const RankLoad rank = published_load(128, 8, 16, tokens, distribution);
      EXPECT_GE(rank.rows, 8.0 * tokens / 16);
      EXPECT_LE(rank.active, 8);
      EXPECT_GE(rank.rows16, rank.rows);
      EXPECT_GE(rank.rows64, rank.rows16);
      EXPECT_GE(rank.rows128, rank.rows64);
      // At most 63 rows of padding per active expert.
      EXPECT_LE(rank.rows64, rank.rows + 63 * rank.active);
    }
  }
}

/// A token chooses an expert once: with two experts and top 2 both get every token.
TEST(PublishedLoad, NoExpertGetsATokenTwice) {
  const RankLoad load = published_load(2, 2, 2, 1000, "power_law_1.2");
  EXPECT_NEAR(load.rows, 1000, 1e-6);
  EXPECT_NEAR(load.active, 1, 1e-9);
}

/// Steeper laws are less even. Means of 64 draws of the fullest of 8 ranks; x^-1.2 on 1..6553 has
/// 0.37 of the mean of x^-0.6, so the order is far outside sampling error.
TEST(PublishedLoad, SteeperLawsLoadTheFullestRankMore) {
  const double flat = published_load(256, 8, 8, 8192, "power_law_0.6", 64).rows;
  const double middle = published_load(256, 8, 8, 8192, "power_law_1.01", 64).rows;
  const double steep = published_load(256, 8, 8, 8192, "power_law_1.2", 64).rows;
  EXPECT_GT(flat, 8192.0);
  EXPECT_GT(middle, 1.1 * flat);
  EXPECT_GT(steep, 1.05 * middle);
}

/// The inverse CDF of x^-1.01 between 1 and X is nearly log-uniform: the mean is X / ln X, so an
/// expert with the mean load sits where ln x = ln X - ln ln X. For X = 0.8 x 65536 the share of
/// experts above the mean is ln ln X / ln X = 0.22 (independent of the code: integral of 1/x).
/// 400 draws of 64 experts as 64 ranks give the fullest expert: the maximum of 64 log-uniform draws
/// has mean X times 1 - ln X / 64 to first order = 0.83 X before normalising by a sum of 64 X / ln
/// X.
TEST(PublishedLoad, TheFullestExpertOfALogUniformLawIsWhereItShouldBe) {
  const RankLoad load = published_load(64, 2, 64, 65536, "power_law_1.01", 400);
  const double x = 0.8 * 65536, log_x = std::log(x);
  const double expected = 2.0 * 65536 * log_x / 64 * (1 - log_x / 64 + 0.02);
  EXPECT_NEAR(load.rows / expected, 1, 0.1);
}

TEST(PublishedLoad, IsTheSameEveryTime) {
  const RankLoad a = published_load(256, 8, 4, 777, "power_law_1.01");
  const RankLoad& b = cached_published_load(256, 8, 4, 777, "power_law_1.01");
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.rows64, b.rows64);
  EXPECT_EQ(&b, &cached_published_load(256, 8, 4, 777, "power_law_1.01"));
}

TEST(PublishedLoad, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(published_load(256, 8, 4, 16, "zipf"), std::invalid_argument);
  EXPECT_THROW(published_load(256, 8, 4, 16, "power_law_"), std::invalid_argument);
  EXPECT_THROW(published_load(256, 8, 3, 16, balanced), std::invalid_argument);
  EXPECT_THROW(published_load(8, 9, 1, 16, balanced), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate
