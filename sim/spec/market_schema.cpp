#include "sim/spec/market_schema.h"

#include <algorithm>
#include <set>

#include "sim/base/text.h"
#include "sim/spec/price_lookup.h"
#include "sim/spec/workload_schema.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;
constexpr Range share_above_zero{0, 1, true};

FieldInfo field(const char* name, FieldInfo::Type type, const char* doc, const char* range = "") {
  FieldInfo info;
  info.name = name;
  info.type = type;
  info.doc = doc;
  info.range = range;
  return info;
}

/// A number that may be left out.
template <class T>
void optional_number(Schema<T>& schema, const char* name, std::optional<double> T::*member,
                     Range range, const char* doc) {
  schema.custom(
      field(name, FieldInfo::Type::number, doc, describe(range).c_str()),
      [member, range](const YamlNode& n, const std::string& p, T& t) {
        t.*member = scalar::number(n, p, range);
      },
      [member](const T& t) -> YamlPtr {
        return t.*member ? yaml_scalar(shortest(*(t.*member))) : nullptr;
      });
}

/// A list of plain numbers.
template <class T>
void numbers(Schema<T>& schema, const char* name, std::vector<double> T::*member, Range range,
             const char* doc) {
  FieldInfo info = field(name, FieldInfo::Type::list, doc, describe(range).c_str());
  info.element = FieldInfo::Type::number;
  schema.custom(
      info,
      [member, range](const YamlNode& n, const std::string& p, T& t) {
        expect_kind(n, YamlNode::Kind::sequence, p);
        (t.*member).clear();
        for (const auto& item : n.items) (t.*member).push_back(scalar::number(*item, p, range));
      },
      [member](const T& t) -> YamlPtr {
        if ((t.*member).empty()) return nullptr;
        auto list = yaml_sequence();
        for (const double value : t.*member) list->items.push_back(yaml_scalar(shortest(value)));
        return list;
      });
}

const Schema<OfferSpec>& offer_schema() {
  static const auto schema =
      Schema<OfferSpec>("offer", "A model as somebody sells it.")
          .text("model", &OfferSpec::model, required, "Name of a models/llm entry, open or closed.")
          .text("seller", &OfferSpec::seller, required, "Who sells it, as named in models/prices.")
          .text("date", &OfferSpec::date, optional,
                "The latest price not after this ISO date, month or year; left out: the market's.");
  return schema;
}

const Schema<PriceClaim>& price_claim_schema() {
  static const auto schema =
      Schema<PriceClaim>("price claim", "What somebody says of two prices.")
          .text("of", &PriceClaim::of, required, "input, cached, output, or the name of a mix.")
          .number("times", &PriceClaim::times, required, positive,
                  "The dear price over the cheap one, as claimed.");
  return schema;
}

const Schema<PriceComparison>& price_comparison_schema() {
  static const auto schema =
      Schema<PriceComparison>("price comparison", "Two prices side by side.")
          .text("name", &PriceComparison::name, required, "Name in the report.")
          .object("dear", &PriceComparison::dear, offer_schema(), required, "The dearer offer.")
          .object("cheap", &PriceComparison::cheap, offer_schema(), required, "The cheaper offer.")
          .list("claims", &PriceComparison::claims, price_claim_schema(), optional,
                "What is said of them; the report says whether it fits.");
  return schema;
}

const Schema<SeatChange>& seat_schema() {
  static const auto schema = [] {
    Schema<SeatChange> s("seat", "A flat fee against a lower fee with usage on top.");
    s.text("plan", &SeatChange::plan, required,
           "Name of a seat plan in models/prices, which its seller has had with usage included and "
           "with usage on top.")
        .object("usage", &SeatChange::usage, offer_schema(), required, "What usage is billed at.");
    numbers(s, "multiples", &SeatChange::multiples, positive,
            "Bills of so many times the flat fee are turned into tokens too.");
    return s;
  }();
  return schema;
}

const Schema<PackComparison>& pack_comparison_schema() {
  static const auto schema =
      Schema<PackComparison>("pack comparison", "Prepaid tokens against the tokens of an offer.")
          .text("seller", &PackComparison::seller, required, "Who sells the pack.")
          .text("name", &PackComparison::name, required, "Its name in models/prices.")
          .object("against", &PackComparison::against, offer_schema(), required,
                  "What the same tokens cost one by one.");
  return schema;
}

const Schema<PrecisionChange>& precision_change_schema() {
  static const auto schema = [] {
    Schema<PrecisionChange> s("precision change", "Another storage format than the candidate's.");
    const auto precision = [&](const char* name, std::optional<Precision> PrecisionChange::*member,
                               const char* doc) {
      FieldInfo info = field(name, FieldInfo::Type::choice, doc);
      for (const PrecisionInfo& p : all_precisions) info.choices.emplace_back(p.name);
      s.custom(
          info,
          [member, choices = info.choices](const YamlNode& n, const std::string& p,
                                           PrecisionChange& c) {
            c.*member = all_precisions[scalar::choice(n, p, choices)].precision;
          },
          [member](const PrecisionChange& c) -> YamlPtr {
            if (!(c.*member)) return nullptr;
            return yaml_scalar(std::string(tollgate::info(*(c.*member)).name));
          });
    };
    precision("weights", &PrecisionChange::weights, "As deployment.weights.");
    precision("kv_cache", &PrecisionChange::kv_cache, "As deployment.kv_cache.");
    return s;
  }();
  return schema;
}

const Schema<RatioClaim>& ratio_claim_schema() {
  static const auto schema =
      Schema<RatioClaim>("ratio claim", "What a candidate is said to be, over the reference.")
          .text("candidate", &RatioClaim::candidate, required, "Name of a candidate.")
          .text("mix", &RatioClaim::mix, required, "Name of a mix.")
          .choice<RatioClaim::Of>(
              "of", &RatioClaim::of, optional,
              {{"throughput", RatioClaim::Of::throughput},
               {"parameters", RatioClaim::Of::parameters}},
              "throughput: generated tokens per second and GPU; parameters: all of them, which is "
              "the memory of the weights at one format.")
          .number("times", &RatioClaim::times, required, positive, "The ratio claimed.");
  return schema;
}

const Schema<SeriesPoint>& series_point_schema() {
  static const auto schema =
      Schema<SeriesPoint>("series point", "Tokens at a time.")
          .text("date", &SeriesPoint::date, required, "ISO date, month or year.")
          .quantity("tokens", &SeriesPoint::tokens, Dimension::tokens_per_second, required,
                    positive, "Tokens per time.");
  return schema;
}

const Schema<VolumeSpec>& volume_schema() {
  static const auto schema = [] {
    Schema<VolumeSpec> s("volume", "Tokens that somebody is said to use.");
    s.text("name", &VolumeSpec::name, required, "Name in the report.")
        .quantity("tokens", &VolumeSpec::tokens, Dimension::tokens_per_second, required, positive,
                  "Tokens per time, input and output together.")
        .text("model", &VolumeSpec::model, optional,
              "The models/llm entry that makes them; left out: many models.")
        .text("part_of", &VolumeSpec::part_of, optional, "Name of the volume this one is part of.")
        .text("date", &VolumeSpec::date, optional, "When.")
        .boolean("gone", &VolumeSpec::gone, optional,
                 "True: of the period before; it has left the list since.");
    optional_number(s, "change", &VolumeSpec::change, Range{-1, unbounded, true},
                    "Growth since the period before: 0.07 is 7 % more.");
    optional_number(s, "share_low", &VolumeSpec::share_low, share_above_zero,
                    "Least share of the world's tokens it is said to be.");
    optional_number(s, "share_high", &VolumeSpec::share_high, share_above_zero,
                    "Largest share of the world's tokens it is said to be.");
    s.check([](const VolumeSpec& v, const std::string& path) {
      if (v.share_low.has_value() != v.share_high.has_value()) {
        throw InputError(place_of(v.places, v.share_low ? "share_low" : "share_high"),
                         path + " needs both share_low and share_high.");
      }
      if (v.share_low && *v.share_low > *v.share_high) {
        throw InputError(place_of(v.places, "share_low"), path + ".share_low is above share_high.");
      }
    });
    return s;
  }();
  return schema;
}

const Schema<YardstickSpec>& yardstick_schema() {
  static const auto schema =
      Schema<YardstickSpec>("yardstick", "A published efficiency to size fleets by.")
          .text("name", &YardstickSpec::name, required, "Name in the report.")
          .quantity("tokens", &YardstickSpec::tokens, Dimension::tokens_per_second, required,
                    positive, "Input and output of one replica, as an average over the day.")
          .integer("gpus", &YardstickSpec::gpus, optional, Range{1, 16384},
                   "Accelerators of one replica.")
          .quantity("usd_per_gpu_hour", &YardstickSpec::usd_per_gpu_hour, Dimension::usd_per_hour,
                    required, positive, "Price of one accelerator.")
          .quantity("power", &YardstickSpec::power, Dimension::watts, optional, positive,
                    "All-in power of one accelerator; left out: no megawatts.")
          .text("date", &YardstickSpec::date, required, "When it was measured.")
          .text("from", &YardstickSpec::from, required, "Who published it.");
  return schema;
}

const Schema<UserSpec>& user_schema() {
  static const auto schema =
      Schema<UserSpec>("user", "One kind of user, and how it makes tokens.")
          .text("name", &UserSpec::name, required, "Name in the report.")
          .number("users", &UserSpec::users, required, positive, "How many there are.")
          .number("penetration", &UserSpec::penetration, optional, fraction,
                  "Share of them that uses this.")
          .number("tasks_per_day", &UserSpec::tasks_per_day, optional, positive,
                  "Tasks of a user per day.")
          .number("turns_per_task", &UserSpec::turns_per_task, optional, at_least_one,
                  "Turns of a task.")
          .number("calls_per_turn", &UserSpec::calls_per_turn, optional, positive,
                  "Model calls of a turn: above 1 where agents call further agents.")
          .number("first_prompt", &UserSpec::first_prompt, required, not_negative,
                  "Tokens of the first prompt of a task.")
          .number("context_growth", &UserSpec::context_growth, optional, not_negative,
                  "Tokens by which every later prompt is longer.")
          .number("reasoning", &UserSpec::reasoning, optional, not_negative,
                  "Tokens of reasoning per call.")
          .number("output", &UserSpec::output, required, not_negative,
                  "Tokens of the answer per call.")
          .number("prompt_compression", &UserSpec::prompt_compression, optional, fraction,
                  "Share of prompt tokens left out before the call.");
  return schema;
}

const Schema<AgentDemandSpec>& agent_schema() {
  static const auto schema = [] {
    Schema<AgentDemandSpec> s("agents", "What agents add to the tokens of chatbots.");
    s.number("parity", &AgentDemandSpec::parity, required, Range{0, 0.99, true},
             "Penetration at which agents take as many tokens as all chatbot users.");
    s.number("target", &AgentDemandSpec::target, optional, at_least_one,
             "Growth of all tokens that is asked about, as a multiple.");
    numbers(s, "penetrations", &AgentDemandSpec::penetrations, fraction,
            "Penetrations to print the multiple of.");
    return s;
  }();
  return schema;
}

void must_be_a_mix(const std::string& name, const Place& asked, const std::vector<MixSpec>& mixes,
                   const std::vector<std::string>& others = {}) {
  std::vector<std::string> names = others;
  for (const MixSpec& mix : mixes) names.push_back(mix.name);
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  throw InputError(asked, "there is no mix " + quote(name) + "." + did_you_mean(name, names) +
                              (names.empty() ? " The scenario has no mixes."
                                             : " It may be " + join(names) + "."));
}

}  // namespace

const Schema<MixText>& mix_schema() {
  static const auto schema = [] {
    Schema<MixText> s("mix", "One kind of traffic that the candidates are tried with.");
    s.text("name", &MixText::name, required, "Name in the report.");
    FieldInfo info = field("workload", FieldInfo::Type::list, "As `workload` of a scenario.");
    info.child = &request_class_schema().info();
    info.required = true;
    s.custom(info, [](const YamlNode& node, const std::string&, MixText& mix) {
      mix.workload = std::make_shared<YamlNode>(node);
    });
    optional_number(s, "hit_rate_low", &MixText::hit_rate_low, fraction,
                    "Lowest prefix hit rate to look at beside that of the workload.");
    optional_number(s, "hit_rate_high", &MixText::hit_rate_high, fraction,
                    "Highest prefix hit rate to look at beside that of the workload.");
    return s;
  }();
  return schema;
}

const Schema<MarketSpec>& market_schema() {
  static const auto schema = [] {
    Schema<MarketSpec> s("market", "Prices of models against what the candidates cost to serve.");
    s.text("date", &MarketSpec::date, optional,
           "Prices are the latest of their seller not after this ISO date, month or year.");
    s.list("offers", &MarketSpec::offers, offer_schema(), optional,
           "What is sold; an open model is compared with the candidates of that model.");
    s.list("comparisons", &MarketSpec::comparisons, price_comparison_schema(), optional,
           "Two prices side by side, and what is said of them.");
    s.list("seats", &MarketSpec::seats, seat_schema(), optional,
           "Flat fees against usage, as tokens per month that break even.");
    s.list("packs", &MarketSpec::packs, pack_comparison_schema(), optional,
           "Prepaid tokens against offers, at each mix.");
    s.text_list("price_levels", &MarketSpec::price_levels,
                "Levels of models/prices that the price of accelerators is varied over.");
    optional_number(s, "utilisation_low", &MarketSpec::utilisation_low, share_above_zero,
                    "Lowest utilisation to look at.");
    optional_number(s, "utilisation_high", &MarketSpec::utilisation_high, share_above_zero,
                    "Highest utilisation to look at.");
    s.list("precisions", &MarketSpec::precisions, precision_change_schema(), optional,
           "Storage formats to look at beside those of the candidates.");
    return s;
  }();
  return schema;
}

const Schema<ComparisonSpec>& comparison_schema() {
  static const auto schema =
      Schema<ComparisonSpec>("compare", "Candidates as ratios to one of them, over all mixes.")
          .text("reference", &ComparisonSpec::reference, required, "Name of a candidate.")
          .list("claims", &ComparisonSpec::claims, ratio_claim_schema(), optional,
                "What is said of them; the report says whether it fits.");
  return schema;
}

const Schema<DemandSpec>& demand_schema() {
  static const auto schema =
      Schema<DemandSpec>("demand", "Tokens that are asked for, and the fleets that serve them.")
          .text("mix", &DemandSpec::mix, optional,
                "Mix that fleets are simulated with; left out: the first.")
          .number("pue", &DemandSpec::pue, optional, Range{1, 3},
                  "Power usage effectiveness on top of the all-in power of accelerators.")
          .list("volumes", &DemandSpec::volumes, volume_schema(), optional, "Tokens per time.")
          .list("yardsticks", &DemandSpec::yardsticks, yardstick_schema(), optional,
                "Published efficiencies to size fleets by, beside the candidates.")
          .list("users", &DemandSpec::users, user_schema(), optional,
                "Kinds of users, whose tokens are added up.")
          .custom(
              [] {
                FieldInfo info = field("agents", FieldInfo::Type::object,
                                       "What agents add to the tokens of chatbots.");
                info.child = &agent_schema().info();
                return info;
              }(),
              [](const YamlNode& n, const std::string& p, DemandSpec& d) {
                d.agents = agent_schema().read(n, p);
              })
          .check([](const DemandSpec& d, const std::string& path) {
            if (d.volumes.empty() && d.users.empty() && !d.agents) {
              throw InputError(place_of(d.places, ""),
                               path + " asks for nothing: give volumes, users or agents.");
            }
          });
  return schema;
}

const Schema<GrowthSpec>& growth_schema() {
  static const auto schema = [] {
    Schema<GrowthSpec> s("growth", "A forecast, or a series of what was seen.");
    s.text("name", &GrowthSpec::name, required, "Name in the report.");
    s.integer("from", &GrowthSpec::from, optional, Range{1900, 3000}, "Year of `base`.");
    s.number("years", &GrowthSpec::years, optional, Range{0, 100, true}, "Years of growth.");
    s.quantity("base", &GrowthSpec::base, Dimension::tokens_per_second, optional, positive,
               "Tokens per time at the beginning.");
    optional_number(s, "yearly_growth", &GrowthSpec::yearly_growth, Range{-1, 1e6, true},
                    "Growth a year: 3.3 is 330 % more every year.");
    optional_number(s, "multiple", &GrowthSpec::multiple, Range{0, 1e15, true},
                    "The end over the beginning.");
    FieldInfo end = field("end", FieldInfo::Type::quantity, "Tokens per time at the end.");
    end.range = describe(positive);
    for (const auto unit : accepted_units(Dimension::tokens_per_second))
      end.units.emplace_back(unit);
    s.custom(end, [](const YamlNode& n, const std::string& p, GrowthSpec& g) {
      g.end = scalar::quantity(n, p, Dimension::tokens_per_second, positive);
    });
    FieldInfo observed =
        field("observed", FieldInfo::Type::object, "A run rate to hold against the base.");
    observed.child = &series_point_schema().info();
    s.custom(observed, [](const YamlNode& n, const std::string& p, GrowthSpec& g) {
      g.observed = series_point_schema().read(n, p);
    });
    s.list("series", &GrowthSpec::series, series_point_schema(), optional,
           "Values in order of time, instead of a forecast.");
    s.integer("periods", &GrowthSpec::periods, optional, Range{0, 10000},
              "Periods, such as weeks, from the first value of the series to the last; 0: one from "
              "each value to the next.");
    optional_number(s, "change", &GrowthSpec::change, Range{-1, unbounded, true},
                    "What the series is said to have grown by: 1.27 is 127 % more.");
    s.custom(field("steps", FieldInfo::Type::integer, "In how many periods it is said to have.",
                   "1 to 10000"),
             [](const YamlNode& n, const std::string& p, GrowthSpec& g) {
               g.steps = static_cast<int>(scalar::integer(n, p, Range{1, 10000}));
             });
    s.check([](const GrowthSpec& g, const std::string& path) {
      const Place at = place_of(g.places, "");
      if (!g.series.empty()) {
        if (g.series.size() < 2)
          throw InputError(place_of(g.places, "series"),
                           path + ".series has one point, which has not grown.");
        if (g.years > 0 || g.yearly_growth || g.multiple || g.end)
          throw InputError(at, path + " is a series or a forecast, not both.");
        return;
      }
      if (g.years == 0) throw InputError(at, path + " lacks 'years' or 'series'.");
      if (!g.yearly_growth && !g.multiple && !g.end)
        throw InputError(at, path + " lacks 'yearly_growth', 'multiple' or 'end'.");
      if ((g.end || g.observed) && g.base == 0)
        throw InputError(at, path + " lacks 'base', which end and observed are held against.");
    });
    return s;
  }();
  return schema;
}

void find_market_prices(MarketSpec& market, const std::vector<std::string>& hardware,
                        const std::vector<PriceBook>& books, Library& library) {
  const auto resolve = [&](OfferSpec& offer) {
    const Place asked = place_of(offer.places, "model");
    offer.closed = library.model(offer.model, asked).closed;
    const std::string date = offer.date.empty() ? market.date : offer.date;
    offer.tariff =
        find_tariff(books, offer.model, offer.seller, date, place_of(offer.places, "seller"));
    offer.per_usd = find_rate(books, offer.tariff.currency, "", asked).per_usd;
  };
  std::set<std::string> seen;
  for (OfferSpec& offer : market.offers) {
    resolve(offer);
    if (!seen.insert(offer.model + '\n' + offer.seller + '\n' + offer.tariff.date).second) {
      throw InputError(place_of(offer.places, ""),
                       "the market has two offers of " + offer.model + " by " + offer.seller + ".");
    }
  }
  for (PriceComparison& comparison : market.comparisons) {
    resolve(comparison.dear);
    resolve(comparison.cheap);
  }
  for (SeatChange& seat : market.seats) {
    resolve(seat.usage);
    const Place asked = place_of(seat.places, "plan");
    const auto fee = [&](bool included) {
      const SeatPlan plan = find_seat(books, seat.usage.seller, seat.plan, included, asked);
      return plan.per_month / find_rate(books, plan.currency, "", asked).per_usd;
    };
    seat.flat_fee = fee(true);
    seat.seat_fee = fee(false);
    if (seat.seat_fee >= seat.flat_fee) {
      throw InputError(asked, "the fee of plan " + quote(seat.plan) +
                                  " with usage on top is not below the flat fee, so no usage "
                                  "breaks even.");
    }
  }
  for (PackComparison& pack : market.packs) {
    resolve(pack.against);
    const Place asked = place_of(pack.places, "name");
    pack.pack = find_pack(books, pack.seller, pack.name, asked);
    pack.per_usd = find_rate(books, pack.pack.currency, "", asked).per_usd;
  }
  for (const std::string& name : hardware) {
    std::vector<GpuPrice> found;
    for (const std::string& level : market.price_levels) {
      if (const auto price = look_up_gpu_price(books, name, level)) found.push_back(*price);
    }
    if (found.empty() && !market.price_levels.empty()) {
      find_gpu_price(books, name, market.price_levels.front(),
                     place_of(market.places, "price_levels"));
    }
    market.gpu_prices.insert(market.gpu_prices.end(), found.begin(), found.end());
  }
}

void check_market_names(const MarketSpec& market, const std::vector<MixSpec>& mixes) {
  for (const PriceComparison& comparison : market.comparisons) {
    for (const PriceClaim& claim : comparison.claims) {
      must_be_a_mix(claim.of, place_of(claim.places, "of"), mixes, {"input", "cached", "output"});
    }
  }
  if (market.utilisation_low && market.utilisation_high &&
      *market.utilisation_low > *market.utilisation_high) {
    throw InputError(place_of(market.places, "utilisation_low"),
                     "market.utilisation_low is above utilisation_high.");
  }
}

void check_comparison_names(const ComparisonSpec& comparison,
                            const std::vector<std::string>& candidates,
                            const std::vector<MixSpec>& mixes) {
  const auto must_be = [&](const std::string& name, const Place& asked) {
    if (std::find(candidates.begin(), candidates.end(), name) != candidates.end()) return;
    throw InputError(asked, "there is no candidate " + quote(name) + "." +
                                did_you_mean(name, candidates) + " There are: " + join(candidates) +
                                ".");
  };
  must_be(comparison.reference, place_of(comparison.places, "reference"));
  for (const RatioClaim& claim : comparison.claims) {
    must_be(claim.candidate, place_of(claim.places, "candidate"));
    must_be_a_mix(claim.mix, place_of(claim.places, "mix"), mixes);
  }
}

void check_demand_names(const DemandSpec& demand, const std::vector<MixSpec>& mixes,
                        Library& library) {
  if (!demand.mix.empty()) must_be_a_mix(demand.mix, place_of(demand.places, "mix"), mixes);
  std::vector<std::string> names;
  for (const VolumeSpec& volume : demand.volumes) {
    if (std::find(names.begin(), names.end(), volume.name) != names.end()) {
      throw InputError(place_of(volume.places, "name"),
                       "there are two volumes named " + quote(volume.name) + ".");
    }
    names.push_back(volume.name);
  }
  for (const VolumeSpec& volume : demand.volumes) {
    if (!volume.model.empty()) library.model(volume.model, place_of(volume.places, "model"));
    if (volume.part_of.empty()) continue;
    const Place asked = place_of(volume.places, "part_of");
    const auto whole = std::find_if(demand.volumes.begin(), demand.volumes.end(),
                                    [&](const VolumeSpec& v) { return v.name == volume.part_of; });
    if (whole == demand.volumes.end()) {
      throw InputError(asked, "there is no volume " + quote(volume.part_of) + "." +
                                  did_you_mean(volume.part_of, names));
    }
    if (whole->tokens < volume.tokens && !volume.gone) {
      throw InputError(
          place_of(volume.places, "tokens"),
          quote(volume.name) + " is larger than " + quote(whole->name) + ", which it is part of.");
    }
  }
}

}  // namespace tollgate
