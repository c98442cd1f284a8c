#include "sim/base/text.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>

namespace tollgate {
namespace {

TEST(Nearest, FindsTyposAndIgnoresCase) {
  const std::vector<std::string> names = {"top_k", "experts", "intermediate"};
  EXPECT_EQ(nearest("topk", names), "top_k");
  EXPECT_EQ(nearest("EXPERTS", names), "experts");
  EXPECT_EQ(nearest("intermediat", names), "intermediate");
  EXPECT_EQ(nearest("completely-else", names), std::nullopt);
  EXPECT_EQ(nearest("x", {}), std::nullopt);
  EXPECT_EQ(did_you_mean("expert", names), " Did you mean 'experts'?");
  EXPECT_EQ(did_you_mean("zzzzzz", names), "");
}

TEST(Nearest, SurvivesLongInput) {
  EXPECT_EQ(nearest(std::string(100000, 'a'), {"top_k"}), std::nullopt);
}

TEST(Join, PutsTheSeparatorBetween) {
  EXPECT_EQ(join({}), "");
  EXPECT_EQ(join({"a"}), "a");
  EXPECT_EQ(join({"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(join({"a", "b"}, " or "), "a or b");
}

TEST(ParseNumber, ReadsDecimals) {
  EXPECT_EQ(parse_number("0"), 0.0);
  EXPECT_EQ(parse_number("010"), 10.0);
  EXPECT_EQ(parse_number("-1.5"), -1.5);
  EXPECT_EQ(parse_number("+1.5"), 1.5);
  EXPECT_EQ(parse_number(".5"), 0.5);
  EXPECT_EQ(parse_number("671e9"), 671e9);
}

TEST(ParseNumber, RefusesTheRest) {
  for (const char* text : {"", "+", "-", ".", "e5", "1e", "0x10", "inf", "-inf", "nan", "1 ", " 1",
                           "1,0", "1_000", "+-1", "-+1", "++1", "1e999", "12abc"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
  }
}

TEST(Shortest, ReadsBackAsTheSameDouble) {
  EXPECT_EQ(shortest(3), "3");
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(shortest(-2.5), "-2.5");
  EXPECT_EQ(shortest(-0.0), "0");
  std::mt19937_64 engine(5);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(engine());
    if (!std::isfinite(value)) continue;
    const auto back = parse_number(shortest(value));
    ASSERT_TRUE(back.has_value()) << shortest(value);
    ASSERT_EQ(*back, value);
  }
}

TEST(Significant, KeepsTheDigits) {
  EXPECT_EQ(significant(1234.5678, 3), "1235");
  EXPECT_EQ(significant(0.00123456, 3), "0.00123");
  EXPECT_EQ(significant(1.5, 3), "1.50");
  EXPECT_EQ(significant(0, 3), "0");
  EXPECT_EQ(significant(6.02e23, 3), "6.02e+23");
}

TEST(Fixed, KeepsTheDecimals) {
  EXPECT_EQ(fixed(1.005, 1), "1.0");
  EXPECT_EQ(fixed(2, 2), "2.00");
  EXPECT_EQ(fixed(-0.25, 1), "-0.2");
}

TEST(Quote, MakesControlCharactersVisible) {
  EXPECT_EQ(quote("a\nb\tc"), "'a\\nb\\tc'");
  EXPECT_EQ(quote(std::string_view("\0\x1b\x7f", 3)), "'\\x00\\x1b\\x7f'");
}

TEST(Quote, CutsWithoutBreakingACharacter) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "a\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80";
  for (std::size_t limit = 1; limit < 100; ++limit) {
    const std::string cut = quote(text, limit);
    EXPECT_TRUE(is_utf8(cut)) << limit;
    EXPECT_LE(cut.size(), limit + 10);
    EXPECT_TRUE(cut.ends_with("...'"));
  }
}

TEST(IsUtf8, AcceptsWellFormedAndRefusesTheRest) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80"));
  const char* bad[] = {"\x80",         "\xC3",         "\xC0\x80",         "\xE4\xB8",
                       "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x80\x80\x80",
                       "\xFF",         "a\xC3z"};
  for (const char* text : bad) EXPECT_FALSE(is_utf8(text));
}

}  // namespace
}  // namespace tollgate
