// models/prices as shipped, and how a price is found in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "sim/spec/library.h"
#include "sim/spec/price_lookup.h"

namespace tollgate {
namespace {

using testing::HasSubstr;

Library library() { return Library(std::string(TOLLGATE_REPOSITORY) + "/models"); }

std::set<std::string> names(Library::Shelf shelf) {
  const auto all = library().names(shelf);
  return {all.begin(), all.end()};
}

const std::regex iso_date("20[0-9]{2}(-[01][0-9](-[0-3][0-9])?)?");

TEST(ShippedPrices, EveryGpuPriceNamesADeviceALevelAndADate) {
  const std::set<std::string> levels = {"rent-3yr",        "rent-1yr",     "on-demand",  "spot",
                                        "hyperscaler-own", "neocloud-own", "china-rent", "paper"};
  const auto hardware = names(Library::Shelf::hardware);
  for (const PriceBook& book : library().prices()) {
    EXPECT_FALSE(book.sources.empty()) << book.name;
    for (const GpuPrice& price : book.gpus) {
      EXPECT_TRUE(hardware.contains(price.hardware)) << price.hardware;
      EXPECT_TRUE(levels.contains(price.level)) << price.level;
      EXPECT_TRUE(std::regex_match(price.date, iso_date)) << price.date;
      EXPECT_FALSE(price.from.empty());
      EXPECT_GT(price.usd_per_hour, 0.1);
      EXPECT_LT(price.usd_per_hour, 20);
    }
  }
}

TEST(ShippedPrices, EveryTokenPriceNamesAModelAndIsOrdered) {
  const auto models = names(Library::Shelf::llm);
  std::size_t count = 0;
  for (const PriceBook& book : library().prices()) {
    for (const TokenPrice& price : book.tokens) {
      ++count;
      SCOPED_TRACE(price.model + " by " + price.seller);
      EXPECT_TRUE(models.contains(price.model));
      EXPECT_TRUE(std::regex_match(price.date, iso_date)) << price.date;
      EXPECT_LE(price.cached_input, price.input);
      EXPECT_LE(price.input, price.output);
      if (price.cache_write >= 0) {
        EXPECT_GE(price.cache_write, price.input);
      }
    }
  }
  EXPECT_GE(count, 50u);
}

TEST(PriceLookup, FindsTheThreeYearRents) {
  const auto books = library().prices();
  EXPECT_DOUBLE_EQ(find_gpu_price(books, "H100-SXM", "rent-3yr", {}).usd_per_hour, 1.30);
  EXPECT_DOUBLE_EQ(find_gpu_price(books, "H200-SXM", "rent-3yr", {}).usd_per_hour, 1.60);
  EXPECT_DOUBLE_EQ(find_gpu_price(books, "B200-SXM", "rent-3yr", {}).usd_per_hour, 2.90);
}

TEST(PriceLookup, TheLatestDateWins) {
  const GpuPrice price = find_gpu_price(library().prices(), "H100-SXM", "rent-1yr", {});
  EXPECT_EQ(price.date, "2026-03");
  EXPECT_DOUBLE_EQ(price.usd_per_hour, 2.35);
}

TEST(PriceLookup, OnADayTheLastPriceBeforeIt) {
  const auto books = library().prices();
  EXPECT_EQ(find_gpu_price(books, "H100-SXM", "rent-1yr", {}, "2026-02-28").date, "2025-10");
  EXPECT_EQ(find_gpu_price(books, "H100-SXM", "rent-1yr", {}, "2026-03").date, "2026-03");
  EXPECT_THROW(find_gpu_price(books, "H100-SXM", "rent-1yr", {}, "2025-09-30"), InputError);
}

TEST(ShippedPrices, EveryTariffCanBeTurnedIntoDollars) {
  const auto books = library().prices();
  std::size_t windows = 0, tiers = 0, speeds = 0, foreign = 0;
  for (const PriceBook& book : books) {
    for (const Tariff& t : book.tokens) {
      EXPECT_GT(find_rate(books, t.currency, t.date, {}).per_usd, 0) << t.model << " " << t.seller;
      windows += t.windows.empty() ? 0 : 1;
      tiers += t.tiers.empty() ? 0 : 1;
      speeds += t.speeds.empty() ? 0 : 1;
      foreign += t.currency == "USD" ? 0 : 1;
    }
    for (const TokenPack& p : book.packs) EXPECT_NO_THROW(find_rate(books, p.currency, p.date, {}));
  }
  EXPECT_GE(windows, 3u);
  EXPECT_GE(tiers, 4u);
  EXPECT_GE(speeds, 2u);
  EXPECT_GE(foreign, 4u);
}

TEST(ShippedPrices, WhatOwnershipNeedsIsThere) {
  const auto books = library().prices();
  EXPECT_DOUBLE_EQ(find_capital(books, "H100-SXM", {}).usd, 50000);
  EXPECT_DOUBLE_EQ(find_power(books, "us-industrial", {}).usd_per_kwh, 0.08);
  EXPECT_THROW(find_capital(books, "L4", {}), InputError);
  EXPECT_THROW(find_power(books, "moon", {}), InputError);
}

TEST(PriceLookup, OfSeveralOnADateTheMedian) {
  PriceBook book;
  for (const double usd : {9.0, 1.0, 3.0, 2.0}) {
    GpuPrice price;
    price.hardware = "X";
    price.level = "on-demand";
    price.date = "2026-01";
    price.usd_per_hour = usd;
    book.gpus.push_back(price);
  }
  EXPECT_EQ(find_gpu_price({book}, "X", "on-demand", {}).usd_per_hour, 2.0);
}

TEST(PriceLookup, AMissingLevelNamesTheKnownOnes) {
  try {
    find_gpu_price(library().prices(), "H200-SXM", "rent-3y", Place{"s.yaml", 4, 2});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("s.yaml:4:2"));
    EXPECT_THAT(error.what(), HasSubstr("neocloud-own"));
    EXPECT_THAT(error.what(), HasSubstr("Did you mean 'rent-3yr'?"));
  }
  EXPECT_THROW(find_gpu_price(library().prices(), "TPU-v7", "rent-3yr", {}), InputError);
}

}  // namespace
}  // namespace tollgate
