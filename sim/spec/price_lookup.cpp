#include "sim/spec/price_lookup.h"

#include <algorithm>
#include <set>

#include "sim/base/text.h"
#include "sim/spec/money.h"

namespace tollgate {

std::optional<GpuPrice> look_up_gpu_price(const std::vector<PriceBook>& books,
                                          const std::string& hardware, const std::string& level,
                                          const std::string& date) {
  std::vector<GpuPrice> found;
  for (const PriceBook& book : books) {
    for (const GpuPrice& price : book.gpus) {
      if (price.hardware != hardware || price.level != level) continue;
      if (!date.empty() && first_day(price.date) > first_day(date)) continue;
      if (!found.empty() && price.date > found.front().date) found.clear();
      if (found.empty() || price.date == found.front().date) found.push_back(price);
    }
  }
  if (found.empty()) return std::nullopt;
  std::stable_sort(found.begin(), found.end(), [](const GpuPrice& a, const GpuPrice& b) {
    return a.usd_per_hour < b.usd_per_hour;
  });
  return found[(found.size() - 1) / 2];
}

GpuPrice find_gpu_price(const std::vector<PriceBook>& books, const std::string& hardware,
                        const std::string& level, const Place& asked, const std::string& date) {
  if (const auto price = look_up_gpu_price(books, hardware, level, date)) return *price;
  std::set<std::string> levels;
  std::string first;
  for (const PriceBook& book : books) {
    for (const GpuPrice& price : book.gpus) {
      if (price.hardware != hardware) continue;
      levels.insert(price.level);
      if (price.level != level) continue;
      if (first.empty() || first_day(price.date) < first_day(first)) first = price.date;
    }
  }
  if (!first.empty()) {
    throw InputError(asked, "the first price of " + hardware + " at level " + quote(level) +
                                " is of " + first + ", after " + date + ".");
  }
  const std::vector<std::string> known(levels.begin(), levels.end());
  throw InputError(
      asked,
      "there is no price of " + hardware + " at level " + quote(level) + " in models/prices; " +
          (known.empty() ? std::string("none is known at any level, so give "
                                       "pricing.usd_per_gpu_hour.")
                         : "known levels: " + join(known) + "." + did_you_mean(level, known)));
}

namespace {

/// The last of `entries` that begins on or before `date`; null where none does.
template <class T>
const T* latest(const std::vector<const T*>& entries, const std::string& date) {
  const T* best = nullptr;
  for (const T* entry : entries) {
    if (!date.empty() && first_day(entry->date) > first_day(date)) continue;
    if (!best || first_day(entry->date) >= first_day(best->date)) best = entry;
  }
  return best;
}

template <class T>
std::string first_date(const std::vector<const T*>& entries) {
  return (*std::min_element(
              entries.begin(), entries.end(),
              [](const T* a, const T* b) { return first_day(a->date) < first_day(b->date); }))
      ->date;
}

std::string known_names(const std::set<std::string>& names, const std::string& given,
                        const std::string& what) {
  const std::vector<std::string> known(names.begin(), names.end());
  if (known.empty()) return "none is known.";
  return "known " + what + ": " + join(known) + "." + did_you_mean(given, known);
}

}  // namespace

Tariff find_tariff(const std::vector<PriceBook>& books, const std::string& model,
                   const std::string& seller, const std::string& date, const Place& asked) {
  std::vector<const Tariff*> found;
  std::set<std::string> sellers;
  for (const PriceBook& book : books) {
    for (const Tariff& t : book.tokens) {
      if (t.model != model) continue;
      sellers.insert(t.seller);
      if (t.seller == seller) found.push_back(&t);
    }
  }
  if (found.empty()) {
    throw InputError(asked, "there is no token price of " + quote(model) + " by " + quote(seller) +
                                " in models/prices; " + known_names(sellers, seller, "sellers"));
  }
  if (const Tariff* t = latest(found, date)) return *t;
  throw InputError(asked, "the first price of " + model + " by " + seller + " is of " +
                              first_date(found) + ", after " + date + ".");
}

CurrencyRate find_rate(const std::vector<PriceBook>& books, const std::string& currency,
                       const std::string& date, const Place& asked) {
  if (currency == "USD") return {"USD", 1, date, "", {}};
  std::vector<const CurrencyRate*> found;
  std::set<std::string> currencies;
  for (const PriceBook& book : books) {
    for (const CurrencyRate& r : book.currencies) {
      currencies.insert(r.currency);
      if (r.currency == currency) found.push_back(&r);
    }
  }
  if (found.empty()) {
    throw InputError(asked, "there is no rate of " + quote(currency) +
                                " to USD in models/prices; " +
                                known_names(currencies, currency, "currencies"));
  }
  if (const CurrencyRate* r = latest(found, date)) return *r;
  throw InputError(asked, "the first rate of " + currency + " is of " + first_date(found) +
                              ", after " + date + ".");
}

CapitalPrice find_capital(const std::vector<PriceBook>& books, const std::string& hardware,
                          const Place& asked) {
  std::vector<const CapitalPrice*> found;
  for (const PriceBook& book : books) {
    for (const CapitalPrice& c : book.capital) {
      if (c.hardware == hardware) found.push_back(&c);
    }
  }
  if (const CapitalPrice* c = latest(found, "")) return *c;
  throw InputError(asked, "there is no price of buying " + hardware +
                              " in models/prices, so give pricing.ownership.capital.");
}

PowerPrice find_power(const std::vector<PriceBook>& books, const std::string& region,
                      const Place& asked) {
  std::vector<const PowerPrice*> found;
  std::set<std::string> regions;
  for (const PriceBook& book : books) {
    for (const PowerPrice& p : book.power) {
      regions.insert(p.region);
      if (p.region == region) found.push_back(&p);
    }
  }
  if (const PowerPrice* p = latest(found, "")) return *p;
  throw InputError(asked, "there is no price of electricity in " + quote(region) +
                              " in models/prices; " + known_names(regions, region, "regions"));
}

TokenPack find_pack(const std::vector<PriceBook>& books, const std::string& seller,
                    const std::string& name, const Place& asked) {
  std::vector<const TokenPack*> found;
  std::set<std::string> names;
  for (const PriceBook& book : books) {
    for (const TokenPack& pack : book.packs) {
      if (pack.seller != seller) continue;
      names.insert(pack.name);
      if (pack.name == name) found.push_back(&pack);
    }
  }
  if (const TokenPack* pack = latest(found, "")) return *pack;
  throw InputError(asked, "there is no pack " + quote(name) + " of " + quote(seller) +
                              " in models/prices; " + known_names(names, name, "packs"));
}

SeatPlan find_seat(const std::vector<PriceBook>& books, const std::string& seller,
                   const std::string& name, bool usage_included, const Place& asked) {
  std::vector<const SeatPlan*> found;
  std::set<std::string> names;
  for (const PriceBook& book : books) {
    for (const SeatPlan& plan : book.seats) {
      if (plan.seller != seller || plan.usage_included != usage_included) continue;
      names.insert(plan.name);
      if (plan.name == name) found.push_back(&plan);
    }
  }
  if (const SeatPlan* plan = latest(found, "")) return *plan;
  throw InputError(asked, "there is no plan " + quote(name) + " of " + quote(seller) +
                              " with usage " + (usage_included ? "included" : "on top") +
                              " in models/prices; " + known_names(names, name, "plans"));
}

}  // namespace tollgate
