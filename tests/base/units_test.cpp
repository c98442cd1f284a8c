#include "sim/base/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tollgate {
namespace {

using testing::HasSubstr;

constexpr Dimension all_dimensions[] = {Dimension::bytes,
                                        Dimension::bytes_per_second,
                                        Dimension::flops_per_second,
                                        Dimension::seconds,
                                        Dimension::watts,
                                        Dimension::usd,
                                        Dimension::usd_per_hour,
                                        Dimension::usd_per_mtok,
                                        Dimension::usd_per_kwh,
                                        Dimension::per_second,
                                        Dimension::tokens_per_second};

double read(std::string_view text, Dimension dimension) {
  std::string why;
  const auto value = parse_quantity(text, dimension, &why);
  EXPECT_TRUE(value.has_value()) << text << ": " << why;
  return value.value_or(-1);
}

std::string refusal(std::string_view text, Dimension dimension) {
  std::string why;
  EXPECT_FALSE(parse_quantity(text, dimension, &why).has_value()) << text;
  return why;
}

TEST(Units, EveryUnitHasItsFactor) {
  struct Case {
    const char* text;
    Dimension dimension;
    double si;
  };
  constexpr double kibi = 1024;
  const Case cases[] = {
      {"1 B", Dimension::bytes, 1},
      {"1 kB", Dimension::bytes, 1e3},
      {"1 MB", Dimension::bytes, 1e6},
      {"1 GB", Dimension::bytes, 1e9},
      {"1 TB", Dimension::bytes, 1e12},
      {"1 KiB", Dimension::bytes, kibi},
      {"1 MiB", Dimension::bytes, kibi * kibi},
      {"1 GiB", Dimension::bytes, kibi * kibi * kibi},
      {"1 TiB", Dimension::bytes, kibi * kibi * kibi * kibi},
      {"1 B/s", Dimension::bytes_per_second, 1},
      {"1 kB/s", Dimension::bytes_per_second, 1e3},
      {"1 MB/s", Dimension::bytes_per_second, 1e6},
      {"1 GB/s", Dimension::bytes_per_second, 1e9},
      {"1 TB/s", Dimension::bytes_per_second, 1e12},
      {"8 Mbit/s", Dimension::bytes_per_second, 1e6},
      {"8 Gbit/s", Dimension::bytes_per_second, 1e9},
      {"8 Tbit/s", Dimension::bytes_per_second, 1e12},
      {"1 GiB/s", Dimension::bytes_per_second, kibi * kibi * kibi},
      {"1 FLOP/s", Dimension::flops_per_second, 1},
      {"1 GFLOP/s", Dimension::flops_per_second, 1e9},
      {"1 TFLOP/s", Dimension::flops_per_second, 1e12},
      {"1 PFLOP/s", Dimension::flops_per_second, 1e15},
      {"1 ns", Dimension::seconds, 1e-9},
      {"1 us", Dimension::seconds, 1e-6},
      {"1 ms", Dimension::seconds, 1e-3},
      {"1 s", Dimension::seconds, 1},
      {"1 min", Dimension::seconds, 60},
      {"1 h", Dimension::seconds, 3600},
      {"1 W", Dimension::watts, 1},
      {"1 kW", Dimension::watts, 1e3},
      {"1 MW", Dimension::watts, 1e6},
      {"1 USD", Dimension::usd, 1},
      {"1 USD/h", Dimension::usd_per_hour, 1},
      {"1 USD/Mtok", Dimension::usd_per_mtok, 1},
      {"1 USD/kWh", Dimension::usd_per_kwh, 1},
      {"1 req/s", Dimension::per_second, 1},
      {"60 req/min", Dimension::per_second, 1},
      {"1 tok/s", Dimension::tokens_per_second, 1},
      {"86400 tok/day", Dimension::tokens_per_second, 1},
      {"86400 Mtok/day", Dimension::tokens_per_second, 1e6},
      {"86400 Gtok/day", Dimension::tokens_per_second, 1e9},
      {"86400 Ttok/day", Dimension::tokens_per_second, 1e12},
      {"604800 Gtok/week", Dimension::tokens_per_second, 1e9},
      {"604800 Ttok/week", Dimension::tokens_per_second, 1e12},
      {"31536000 Ttok/year", Dimension::tokens_per_second, 1e12},
      {"31536000 Ptok/year", Dimension::tokens_per_second, 1e15},
  };
  std::size_t known = 0;
  for (const Dimension dimension : all_dimensions) known += accepted_units(dimension).size();
  EXPECT_EQ(std::size(cases), known) << "a unit has no case here";
  for (const Case& c : cases) EXPECT_DOUBLE_EQ(read(c.text, c.dimension), c.si) << c.text;
}

TEST(Units, BitsAndBytesDifferByEight) {
  EXPECT_DOUBLE_EQ(read("400 Gbit/s", Dimension::bytes_per_second), 50e9);
  EXPECT_DOUBLE_EQ(read("400 GB/s", Dimension::bytes_per_second), 400e9);
}

TEST(Units, NumbersMayHaveSignFractionAndExponent) {
  EXPECT_DOUBLE_EQ(read("3.35 TB/s", Dimension::bytes_per_second), 3.35e12);
  EXPECT_DOUBLE_EQ(read("1e3 W", Dimension::watts), 1000);
  EXPECT_DOUBLE_EQ(read("+2.5e-1 s", Dimension::seconds), 0.25);
  EXPECT_DOUBLE_EQ(read("-3 W", Dimension::watts), -3);
  EXPECT_DOUBLE_EQ(read("50   ms", Dimension::seconds), 0.05);
}

TEST(Units, ABareNumberNamesTheUnits) {
  const std::string why = refusal("80", Dimension::bytes);
  EXPECT_THAT(why, HasSubstr("no unit"));
  EXPECT_THAT(why, HasSubstr("GiB"));
  EXPECT_THAT(why, HasSubstr("GB"));
}

TEST(Units, AWrongUnitNamesTheUnitsAndTheNearest) {
  EXPECT_THAT(refusal("80 Gib", Dimension::bytes), HasSubstr("Did you mean 'GiB'?"));
  EXPECT_THAT(refusal("80 GB/s", Dimension::bytes), HasSubstr("KiB"));
  EXPECT_THAT(refusal("3 USD", Dimension::usd_per_hour), HasSubstr("USD/h"));
}

TEST(Units, WhatIsNoQuantityIsRefused) {
  for (const char* text :
       {"", " ", "GiB", "80GiB", "0x10 GB", "inf GB", "nan GB", "1,5 GB", "1..5 GB", "+-5 GB",
        "--5 GB", "1e999 GB", "1e308 TB", "5 GB extra", "5 GB "}) {
    EXPECT_FALSE(refusal(text, Dimension::bytes).empty()) << text;
  }
}

TEST(Units, TheReasonMayBeIgnored) {
  EXPECT_FALSE(parse_quantity("80", Dimension::bytes, nullptr).has_value());
}

TEST(Units, FormatsWithAReadablePrefix) {
  EXPECT_EQ(format_quantity(141e9, Dimension::bytes), "141 GB");
  EXPECT_EQ(format_quantity(4.8e12, Dimension::bytes_per_second), "4.8 TB/s");
  EXPECT_EQ(format_quantity(989e12, Dimension::flops_per_second), "989 TFLOP/s");
  EXPECT_EQ(format_quantity(0.05, Dimension::seconds), "50 ms");
  EXPECT_EQ(format_quantity(1.6, Dimension::usd_per_hour), "1.6 USD/h");
  EXPECT_EQ(format_quantity(0, Dimension::watts), "0 W");
}

TEST(Units, FormattedValuesReadBack) {
  std::mt19937_64 engine(1);
  std::uniform_real_distribution<double> exponent(-8, 17);
  for (const Dimension dimension : all_dimensions) {
    for (int i = 0; i < 2000; ++i) {
      const double value = std::pow(10.0, exponent(engine));
      const std::string text = format_quantity(value, dimension);
      const double back = read(text, dimension);
      ASSERT_NEAR(back / value, 1, 1e-13) << text;
      ASSERT_EQ(format_quantity(back, dimension), text);
    }
  }
}

TEST(Units, EveryDimensionHasANameAndUnits) {
  for (const Dimension dimension : all_dimensions) {
    EXPECT_FALSE(dimension_name(dimension).empty());
    EXPECT_FALSE(accepted_units(dimension).empty());
  }
}

}  // namespace
}  // namespace tollgate
