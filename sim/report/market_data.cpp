#include "sim/report/market_data.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/base/text.h"
#include "sim/report/version.h"

namespace tollgate {
namespace {

using Json = nlohmann::ordered_json;
constexpr double day = 86400, week = 7 * day;

/// One number of the result. Both formats are written from the list of these.
struct Fact {
  std::string section, item, column;
  Estimate value;
  const char* unit;
};

class Facts {
 public:
  void add(const std::string& section, const std::string& item, const std::string& column,
           const Estimate& value, const char* unit) {
    if (!std::isfinite(value.value) || !std::isfinite(value.low) || !std::isfinite(value.high))
      return;
    list_.push_back({section, item, column, value, unit});
  }
  void add(const std::string& section, const std::string& item, const std::string& column,
           double value, const char* unit) {
    add(section, item, column, exactly(value), unit);
  }
  const std::vector<Fact>& list() const { return list_; }

 private:
  std::vector<Fact> list_;
};

void add_margins(const MarketResult& r, Facts& facts) {
  for (const OfferResult& offer : r.offers) {
    for (std::size_t m = 0; m < offer.cells.size(); ++m) {
      const MarketCell& cell = offer.cells[m];
      const std::string item = offer.offer.model + " by " + offer.offer.seller + " of " +
                               offer.offer.tariff.date + " at " + r.mixes[m].name;
      facts.add("margin", item, "price", cell.price, "USD/Mtok");
      if (cell.candidate < 0) continue;
      facts.add("margin", item, "cost", cell.cost, "USD/Mtok");
      facts.add(
          "margin", item, "gross_margin",
          Estimate{cell.margin.value, cell.margin.low, cell.margin.high, cell.cost.provenance},
          "1");
      facts.add("margin", item, "break_even_utilisation", cell.break_even_utilisation, "1");
      facts.add("margin", item, "rent_per_month", cell.rent.usd_per_month, "USD");
      facts.add("margin", item, "rent_buys_tokens", cell.rent.crossing_tokens, "tok/month");
      facts.add("margin", item, "capacity", cell.rent.tokens_per_month, "tok/month");
      for (const Swing& s : cell.swings) {
        facts.add("swing", item, s.assumption + ": " + s.low_case, s.low_margin, "1");
        facts.add("swing", item, s.assumption + ": " + s.high_case, s.high_margin, "1");
      }
    }
  }
}

void add_prices(const MarketResult& r, Facts& facts) {
  for (const PriceRatios& p : r.prices) {
    const auto add = [&](const std::string& column, double ratio) {
      if (ratio > 0) facts.add("price ratio", p.comparison.name, column, ratio, "1");
    };
    add("input", p.input);
    add("cached", p.cached);
    add("output", p.output);
    for (std::size_t m = 0; m < p.mixes.size(); ++m) add(r.mixes[m].name, p.mixes[m]);
  }
  for (const SeatResult& seat : r.seats) {
    for (const auto& bill : seat.bills) {
      for (std::size_t m = 0; m < bill.tokens.size(); ++m) {
        facts.add(
            "seat",
            seat.seat.plan + ", " + seat.seat.usage.model + " at " + shortest(bill.usd) + " USD",
            r.mixes[m].name, bill.tokens[m], "tok/month");
      }
    }
  }
}

void add_packs(const MarketResult& r, Facts& facts) {
  for (const PackRatios& p : r.packs) {
    const std::string item = p.comparison.seller + " " + p.comparison.name;
    facts.add("pack", item, "price", p.usd_per_million, "USD/Mtok");
    for (std::size_t m = 0; m < p.over_offer.size(); ++m) {
      facts.add("pack", item, "over " + p.comparison.against.model + " at " + r.mixes[m].name,
                p.over_offer[m], "1");
    }
  }
}

void add_comparison(const MarketResult& r, Facts& facts) {
  if (!r.compare) return;
  for (std::size_t m = 0; m < r.mixes.size(); ++m) {
    for (const CandidateRatio& ratio : r.compare->mixes[m]) {
      const CandidateResult& c =
          r.mixes[m].run.candidates[static_cast<std::size_t>(ratio.candidate)];
      const std::string item = c.name + " at " + r.mixes[m].name;
      facts.add("compare", item, "throughput", c.output_tokens_per_second_per_gpu, "tok/s/GPU");
      facts.add("compare", item, "throughput_ratio", ratio.throughput, "1");
      facts.add("compare", item, "parameters_ratio", ratio.parameters, "1");
      facts.add("compare", item, "sequence_bytes_ratio", ratio.sequence, "1");
      facts.add("compare", item, "cost_ratio", ratio.cost, "1");
    }
  }
}

void add_demand(const MarketResult& r, Facts& facts) {
  if (!r.demand) return;
  for (const VolumeResult& v : r.demand->volumes) {
    const std::string& item = v.volume.name;
    facts.add("volume", item, "tokens", v.volume.tokens * day, "tok/day");
    if (v.share > 0) facts.add("volume", item, "share", v.share, "1");
    if (v.before > 0) facts.add("volume", item, "before", v.before * day, "tok/day");
    for (std::size_t m = 0; m < v.revenue.size(); ++m)
      facts.add("volume", item, "revenue at " + r.mixes[m].name, v.revenue[m], "USD/week");
  }
  for (const FleetRow& row : r.demand->fleets) {
    const std::string item = row.volume + " served like " + row.server;
    facts.add("fleet", item, "replicas", row.fleet.replicas, "1");
    facts.add("fleet", item, "gpus", row.fleet.gpus, "1");
    if (row.power_known) facts.add("fleet", item, "power", row.fleet.megawatts, "MW");
    facts.add("fleet", item, "cost", row.fleet.usd_per_day, "USD/day");
    facts.add("fleet", item, "unit_cost", row.fleet.usd_per_million_tokens, "USD/Mtok");
  }
  for (const UserResult& u : r.demand->users) {
    facts.add("users", u.user.name, "input", u.tokens.input, "tok/day");
    facts.add("users", u.user.name, "repeated", u.tokens.cached_input, "tok/day");
    facts.add("users", u.user.name, "output", u.tokens.output, "tok/day");
  }
  if (const auto& a = r.demand->agents) {
    facts.add("agents", "intensity", "instead", a->intensity.instead, "1");
    facts.add("agents", "intensity", "besides", a->intensity.besides, "1");
    if (a->needed > 0) facts.add("agents", "target", "penetration", a->needed, "1");
  }
}

void add_growth(const MarketResult& r, Facts& facts) {
  for (const GrowthResult& g : r.growth) {
    const auto add = [&](const char* way, const std::optional<Growth>& growth) {
      if (!growth) return;
      facts.add("growth", g.growth.name, std::string(way) + ": yearly growth", growth->yearly_rate,
                "1/year");
      facts.add("growth", g.growth.name, std::string(way) + ": multiple", growth->multiple, "1");
      if (g.growth.base > 0) {
        facts.add("growth", g.growth.name, std::string(way) + ": at the end",
                  g.growth.base * growth->multiple * day, "tok/day");
      }
    };
    add("rate", g.by_rate);
    add("multiple", g.by_multiple);
    add("end", g.by_end);
    if (g.growth.series.empty()) continue;
    facts.add("growth", g.growth.name, "multiple", g.total, "1");
    facts.add("growth", g.growth.name, "per step", g.per_step, "1");
  }
}

Facts facts_of(const MarketResult& r) {
  Facts facts;
  for (const MixResult& mix : r.mixes) {
    facts.add("mix", mix.name, "input_per_output", mix.input_per_output, "1");
    facts.add("mix", mix.name, "hit_rate", mix.hit_rate, "1");
  }
  add_margins(r, facts);
  add_prices(r, facts);
  add_packs(r, facts);
  add_comparison(r, facts);
  add_demand(r, facts);
  add_growth(r, facts);
  return facts;
}

std::vector<std::string> all_findings(const MarketResult& r) {
  std::vector<std::string> out = r.findings;
  const auto append = [&](const std::vector<std::string>& more) {
    out.insert(out.end(), more.begin(), more.end());
  };
  for (const PriceRatios& p : r.prices) append(p.findings);
  if (r.compare) append(r.compare->findings);
  if (r.demand) append(r.demand->findings);
  for (const GrowthResult& g : r.growth) append(g.findings);
  return out;
}

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string market_json(const MarketResult& r) {
  Json json;
  json["format_version"] = run_format_version;
  json["tool_version"] = tool_version;
  json["inputs_digest"] = r.inputs_digest;
  json["scenario"] = r.scenario;
  json["question"] = r.question;
  json["offers"] = Json::array();
  for (const OfferResult& offer : r.offers) {
    const Tariff& p = offer.offer.tariff;
    json["offers"].push_back({{"model", offer.offer.model},
                              {"seller", offer.offer.seller},
                              {"date", p.date},
                              {"from", p.from},
                              {"simulated", offer.not_simulated.empty()},
                              {"not_simulated_because", offer.not_simulated}});
  }
  json["facts"] = Json::array();
  const Facts facts = facts_of(r);
  for (const Fact& f : facts.list()) {
    json["facts"].push_back({{"section", f.section},
                             {"item", f.item},
                             {"column", f.column},
                             {"value", f.value.value},
                             {"low", f.value.low},
                             {"high", f.value.high},
                             {"unit", f.unit},
                             {"provenance", to_string(f.value.provenance)}});
  }
  json["findings"] = all_findings(r);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string market_csv(const MarketResult& r) {
  std::string out = "scenario,section,item,column,value,p10,p90,unit\r\n";
  const Facts facts = facts_of(r);
  for (const Fact& f : facts.list()) {
    out += field(r.scenario) + "," + field(f.section) + "," + field(f.item) + "," +
           field(f.column) + "," + shortest(f.value.value) + "," + shortest(f.value.low) + "," +
           shortest(f.value.high) + "," + f.unit + "\r\n";
  }
  return out;
}

}  // namespace tollgate
