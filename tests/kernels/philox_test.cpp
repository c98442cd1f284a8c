// Proves: the generator is Random123's Philox4x32-10, by its three published known answers.

#include "kernels/core/philox.h"

#include <gtest/gtest.h>

namespace tollgate::kernels {
namespace {

void expect_words(const Words4& got, std::uint32_t a, std::uint32_t b, std::uint32_t c,
                  std::uint32_t d) {
  EXPECT_EQ(got.w[0], a);
  EXPECT_EQ(got.w[1], b);
  EXPECT_EQ(got.w[2], c);
  EXPECT_EQ(got.w[3], d);
}

TEST(Philox, KnownAnswerZeros) {
  expect_words(philox4x32(0, 0, 0, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
}

TEST(Philox, KnownAnswerOnes) {
  const std::uint32_t ones = 0xffffffff;
  expect_words(philox4x32(ones, ones, ones, ones, ~std::uint64_t{0}), 0x408f276d, 0x41c83b0e,
               0xa20bc7c6, 0x6d5451fd);
}

TEST(Philox, KnownAnswerDigitsOfPi) {
  expect_words(philox4x32(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0x299f31d0a4093822),
               0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
}

TEST(Philox, PurposesDoNotShareCounters) {
  EXPECT_NE(draw_block(Purpose::token_noise, 0xFFFFFF), draw_block(Purpose::global_popularity, 0));
  EXPECT_EQ(draw_block(Purpose::pilot, 7) >> 24, 5u);
  EXPECT_EQ(draw_block(Purpose::pilot, 7) & 0xFFFFFF, 7u);
}

}  // namespace
}  // namespace tollgate::kernels
