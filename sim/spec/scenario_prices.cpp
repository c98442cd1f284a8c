#include "sim/spec/scenario_prices.h"

#include <algorithm>
#include <set>

#include "sim/base/text.h"
#include "sim/spec/price_lookup.h"

namespace tollgate {
namespace {

TokenPack find_pack(const std::vector<PriceBook>& books, const PackSpec& asked) {
  std::set<std::string> names;
  for (const PriceBook& book : books) {
    for (const TokenPack& pack : book.packs) {
      if (pack.seller == asked.seller && pack.name == asked.name) return pack;
      names.insert(pack.seller + ": " + pack.name);
    }
  }
  const std::vector<std::string> known(names.begin(), names.end());
  throw InputError(place_of(asked.places, "name"),
                   "there is no pack " + quote(asked.name) + " by " + quote(asked.seller) +
                       " in models/prices; known packs: " + join(known) + ".");
}

bool knows(const std::vector<PriceBook>& books, const std::string& region) {
  return std::any_of(books.begin(), books.end(), [&](const PriceBook& book) {
    return std::any_of(book.power.begin(), book.power.end(),
                       [&](const PowerPrice& p) { return p.region == region; });
  });
}

}  // namespace

CandidatePrices find_prices(const PricingSpec& pricing, const AnswersSpec& answers,
                            const std::vector<PriceBook>& books, const std::string& hardware,
                            const std::string& model, const Place& hardware_place) {
  CandidatePrices out;
  const PowerSpec& power = pricing.power;
  if (power.usd_per_kwh >= 0 && power.kg_co2_per_kwh >= 0) {
    out.power = {"", power.usd_per_kwh, power.kg_co2_per_kwh, "", "the scenario", {}};
  } else if (pricing.ownership || power.places.count("region") || knows(books, power.region)) {
    const Place asked =
        power.places.count("region") ? place_of(power.places, "region") : hardware_place;
    out.power = find_power(books, power.region, asked);
    if (power.usd_per_kwh >= 0) {
      out.power.usd_per_kwh = power.usd_per_kwh;
      out.power.from = "the scenario";
      out.power.date = "";
    }
    if (power.kg_co2_per_kwh >= 0) out.power.kg_co2_per_kwh = power.kg_co2_per_kwh;
  }
  if (pricing.ownership) {
    out.capital =
        pricing.ownership->capital > 0
            ? CapitalPrice{hardware, pricing.ownership->capital, "", "the scenario", "", {}}
            : find_capital(books, hardware, place_of(pricing.places, "ownership"));
  }
  if (const auto& t = pricing.tariff) {
    out.tariff = t->list
                     ? *t->list
                     : find_tariff(books, t->model.empty() ? model : t->model, t->seller, t->date,
                                   place_of(t->places, t->date.empty() ? "seller" : "date"));
    if (out.tariff->model.empty()) out.tariff->model = model;
    const Place rate_place = place_of(t->places, t->list ? "list" : "seller");
    out.tariff_rate = find_rate(books, out.tariff->currency,
                                t->date.empty() ? out.tariff->date : t->date, rate_place);
    const auto& speeds = out.tariff->speeds;
    if (!t->speed.empty() && std::none_of(speeds.begin(), speeds.end(), [&](const PriceChange& s) {
          return s.name == t->speed;
        })) {
      throw InputError(place_of(t->places, "speed"), "the tariff of " + out.tariff->seller +
                                                         " has no speed " + quote(t->speed) + ".");
    }
    if (t->batch && out.tariff->batch_factor < 0) {
      throw InputError(place_of(t->places, "batch"),
                       "the tariff of " + out.tariff->seller + " has no batch service.");
    }
  }
  if (pricing.pack) {
    out.pack = find_pack(books, *pricing.pack);
    out.pack_rate = find_rate(books, out.pack->currency, out.pack->date,
                              place_of(pricing.pack->places, "name"));
  }
  const auto level = [&](const std::string& name, const Places& places, const char* key) {
    return find_gpu_price(books, hardware, name, place_of(places, key), pricing.date);
  };
  if (const auto& r = answers.rent_or_pay) {
    if (!pricing.tariff) {
      throw InputError(place_of(r->places, ""),
                       "answers.rent_or_pay compares with a price per token, so pricing.tariff is "
                       "needed.");
    }
    out.bare_metal = level(r->level, r->places, "level");
  }
  if (const auto& c = answers.commitment) {
    out.reserved = level(c->reserved, c->places, "reserved");
    out.on_demand = level(c->on_demand, c->places, "on_demand");
  }
  return out;
}

}  // namespace tollgate
