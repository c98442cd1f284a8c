#include "sim/spec/cost_schema.h"

#include "sim/base/text.h"
#include "sim/spec/money.h"
#include "sim/spec/tariff_schema.h"

namespace tollgate {
namespace {

constexpr auto optional = Need::optional;
constexpr Range share{0, 1};
constexpr Range below_one{0, 0.999};
constexpr Range above_zero_to_one{0, 1, true};
constexpr Range wacc_range{0, 1};
constexpr Range years_range{0.1, 50};
constexpr std::size_t hours_per_day = 24;
constexpr std::size_t most_values = 32;

FieldInfo info_of(const char* name, FieldInfo::Type type, std::string doc) {
  FieldInfo info;
  info.name = name;
  info.type = type;
  info.doc = std::move(doc);
  return info;
}

/// A number that is -1 when left out.
template <class T>
void maybe_number(Schema<T>& s, const char* name, double T::*member, Range range, const char* doc) {
  FieldInfo info = info_of(name, FieldInfo::Type::number, doc);
  info.range = describe(range);
  s.custom(
      std::move(info),
      [member, range](const YamlNode& n, const std::string& p, T& t) {
        t.*member = scalar::number(n, p, range);
      },
      [member](const T& t) -> YamlPtr {
        return t.*member < 0 ? nullptr : yaml_scalar(shortest(t.*member));
      });
}

std::vector<double> read_numbers(const YamlNode& node, const std::string& path, Range range,
                                 std::size_t most) {
  expect_kind(node, YamlNode::Kind::sequence, path);
  if (node.items.empty()) throw InputError(node.place, path + " is an empty list.");
  if (node.items.size() > most) {
    throw InputError(node.place, path + " has " + std::to_string(node.items.size()) +
                                     " values; at most " + std::to_string(most) + " are read.");
  }
  std::vector<double> values;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    values.push_back(scalar::number(*node.items[i], path + "[" + std::to_string(i) + "]", range));
  }
  return values;
}

template <class T>
void numbers(Schema<T>& s, const char* name, std::vector<double> T::*member, Range range,
             const char* doc) {
  FieldInfo info = info_of(name, FieldInfo::Type::list, doc);
  info.element = FieldInfo::Type::number;
  info.range = describe(range);
  s.custom(std::move(info), [member, range](const YamlNode& n, const std::string& p, T& t) {
    t.*member = read_numbers(n, p, range, most_values);
  });
}

/// An object that may be left out.
template <class T, class C>
void maybe_object(Schema<T>& s, const char* name, std::optional<C> T::*member,
                  const Schema<C>& child, const char* doc) {
  FieldInfo info = info_of(name, FieldInfo::Type::object, doc);
  info.child = &child.info();
  s.custom(std::move(info), [member, &child](const YamlNode& n, const std::string& p, T& t) {
    t.*member = child.read(n, p);
  });
}

const Schema<RentOrPaySpec>& rent_or_pay_schema() {
  static const auto schema =
      Schema<RentOrPaySpec>("rent or pay", "Renting the machines against paying by the token.")
          .text("level", &RentOrPaySpec::level, optional,
                "Kind of GPU price the machines are rented at.");
  return schema;
}

const Schema<CommitmentSpec>& commitment_schema() {
  static const auto schema =
      Schema<CommitmentSpec>("commitment", "A reservation against paying for hours in use.")
          .text("reserved", &CommitmentSpec::reserved, optional,
                "Kind of GPU price that is paid for every hour.")
          .text("on_demand", &CommitmentSpec::on_demand, optional,
                "Kind of GPU price that is paid for hours in use.");
  return schema;
}

const Schema<InflationSpec>& inflation_schema() {
  static const auto schema = [] {
    Schema<InflationSpec> s("inflation",
                            "What makes a task take more tokens; each value is tried by itself.");
    numbers(s, "cache_hit_rate", &InflationSpec::cache_hit_rate, share,
            "Shares of prompt tokens found in the cache.");
    numbers(s, "prompt_compression", &InflationSpec::prompt_compression, below_one,
            "Shares of the prompt left out.");
    numbers(s, "reasoning", &InflationSpec::reasoning, Range{0.01, 1000},
            "Factors on the generated tokens.");
    numbers(s, "fan_out", &InflationSpec::fan_out, Range{1, 1e4}, "Calls of sub-agents per call.");
    numbers(s, "turns", &InflationSpec::turns, Range{1, 1e4},
            "Turns of a task, each with all that was said before in its prompt.");
    s.number("tokens_per_turn", &InflationSpec::tokens_per_turn, optional, not_negative,
             "Prompt tokens each turn after the first adds.");
    return s;
  }();
  return schema;
}

}  // namespace

const Schema<PowerSpec>& power_spec_schema() {
  static const auto schema = [] {
    Schema<PowerSpec> s("electricity", "Electricity of the machines.");
    s.text("region", &PowerSpec::region, optional,
           "Region of models/prices whose price and carbon apply.");
    FieldInfo price = info_of("price", FieldInfo::Type::quantity,
                              "Price of a kilowatt-hour; left out: the region's.");
    price.range = describe(not_negative);
    price.units = {"USD/kWh"};
    s.custom(
        std::move(price),
        [](const YamlNode& n, const std::string& p, PowerSpec& t) {
          t.usd_per_kwh = scalar::quantity(n, p, Dimension::usd_per_kwh, not_negative);
        },
        [](const PowerSpec& t) -> YamlPtr {
          return t.usd_per_kwh < 0 ? nullptr : yaml_scalar(shortest(t.usd_per_kwh) + " USD/kWh");
        });
    maybe_number(s, "kg_co2_per_kwh", &PowerSpec::kg_co2_per_kwh, Range{0, 5},
                 "Carbon dioxide of a kilowatt-hour; left out: the region's.");
    s.quantity("draw", &PowerSpec::draw, Dimension::watts, optional, positive,
               "Power per accelerator at the meter of the building; left out: all_in_power of the "
               "hardware, or its TDP with the machine's share and `pue`.");
    s.number("pue", &PowerSpec::pue, optional, Range{1, 5},
             "Power usage effectiveness, for figures that do not hold cooling.");
    return s;
  }();
  return schema;
}

const Schema<RentSpec>& rent_schema() {
  static const auto schema =
      Schema<RentSpec>("rent", "Terms of a rent beyond its hourly price.")
          .number("interruption", &RentSpec::interruption, optional, below_one,
                  "Share of paid hours lost to interruptions and restarts (spot).")
          .number("upfront", &RentSpec::upfront, optional, share,
                  "Share of a reservation paid at its start.")
          .number("years", &RentSpec::years, optional, years_range, "Length of the reservation.")
          .number("wacc", &RentSpec::wacc, optional, wacc_range,
                  "Cost of the money paid upfront, per year.");
  return schema;
}

const Schema<OwnershipSpec>& ownership_schema() {
  static const auto schema = [] {
    Schema<OwnershipSpec> s("ownership", "Owning the machines instead of renting them.");
    s.quantity("capital", &OwnershipSpec::capital, Dimension::usd, optional, positive,
               "Price of an accelerator with its share of server and network; left out: of "
               "models/prices.");
    s.number("years", &OwnershipSpec::years, optional, years_range, "Years of use.");
    s.number("wacc", &OwnershipSpec::wacc, optional, wacc_range,
             "Weighted average cost of capital, per year.");
    s.number("salvage", &OwnershipSpec::salvage, optional, share,
             "Share of the price it is sold for in the end.");
    s.number("availability", &OwnershipSpec::availability, optional, above_zero_to_one,
             "Share of hours in which it can be used; here or in utilisation, not in both.");
    FieldInfo colocation = info_of("colocation", FieldInfo::Type::quantity,
                                   "Space and connection, by power at the meter.");
    colocation.range = describe(not_negative);
    colocation.units = {"USD/kW-month"};
    s.custom(
        std::move(colocation),
        [](const YamlNode& n, const std::string& p, OwnershipSpec& o) {
          const Money m = read_money(n, p, "/kW-month");
          if (m.currency != "USD") throw InputError(n.place, p + " must be in USD/kW-month.");
          o.colocation = m.amount;
        },
        [](const OwnershipSpec& o) {
          return yaml_scalar(shortest(o.colocation) + " USD/kW-month");
        });
    s.quantity("staff", &OwnershipSpec::staff, Dimension::usd_per_hour, optional, not_negative,
               "People, per accelerator and hour.");
    s.number("spares", &OwnershipSpec::spares, optional, share,
             "Spare parts and repair, share of the price per year.");
    s.quantity("licences", &OwnershipSpec::licences, Dimension::usd_per_hour, optional,
               not_negative, "Software, per accelerator and hour.");
    return s;
  }();
  return schema;
}

const Schema<UtilisationSpec>& utilisation_schema() {
  static const auto schema = [] {
    Schema<UtilisationSpec> s("utilisation",
                              "Why machines serve less on average than they could: diurnal x (1 - "
                              "headroom) x availability; a plain number is the product.");
    FieldInfo diurnal = info_of("diurnal", FieldInfo::Type::custom,
                                "Mean load over the load of the busiest hour, above 0 and at most "
                                "1; or the loads of the 24 hours of UTC as a list.");
    s.custom(std::move(diurnal), [](const YamlNode& n, const std::string& p, UtilisationSpec& u) {
      if (n.kind != YamlNode::Kind::sequence) {
        u.diurnal = scalar::number(n, p, above_zero_to_one);
        return;
      }
      u.day = read_numbers(n, p, not_negative, hours_per_day);
      double sum = 0;
      for (const double hour : u.day) sum += hour;
      if (u.day.size() != hours_per_day || sum <= 0) {
        throw InputError(n.place, p + " must have the loads of 24 hours, not all zero.");
      }
    });
    s.number("headroom", &UtilisationSpec::headroom, optional, below_one,
             "Share of capacity kept free in the busiest hour.");
    s.number("availability", &UtilisationSpec::availability, optional, above_zero_to_one,
             "Share of capacity that is up.");
    return s;
  }();
  return schema;
}

UtilisationSpec read_utilisation(const YamlNode& node, const std::string& path) {
  if (node.kind == YamlNode::Kind::mapping) return utilisation_schema().read(node, path);
  UtilisationSpec u;
  u.whole = scalar::number(node, path, above_zero_to_one);
  u.places[""] = node.place;
  return u;
}

const Schema<TariffSpec>& tariff_choice_schema() {
  static const auto schema = [] {
    Schema<TariffSpec> s("tariff", "The prices tokens are sold at.");
    s.text("seller", &TariffSpec::seller, optional, "Seller of models/prices.");
    s.text("model", &TariffSpec::model, optional,
           "Model of models/prices; left out: the candidate's.");
    s.custom(
        info_of("date", FieldInfo::Type::text, "Day on which the price held; left out: latest."),
        [](const YamlNode& n, const std::string& p, TariffSpec& t) { t.date = read_date(n, p); });
    s.text("speed", &TariffSpec::speed, optional, "Name of one of the tariff's speeds.");
    s.boolean("batch", &TariffSpec::batch, optional, "Answers within a day, at the batch price.");
    s.boolean("long_cache", &TariffSpec::long_cache, optional,
              "Written tokens are kept for an hour.");
    s.number("written", &TariffSpec::written, optional, share,
             "Share of computed prompt tokens that is billed as written to the cache.");
    FieldInfo list = info_of("list", FieldInfo::Type::custom,
                             "An own price list instead of a seller's: the keys of a token price "
                             "below, without model, seller and from.");
    s.custom(std::move(list), [](const YamlNode& n, const std::string& p, TariffSpec& t) {
      Tariff own;
      own.seller = own.from = "the scenario";
      t.list = tariff_schema().read(n, p, std::move(own), true);
      for (const char* key : {"date", "input", "output"}) {
        if (n.kind != YamlNode::Kind::mapping || n.find(key)) continue;
        throw InputError(n.place, p + " lacks the required key '" + key + "'.");
      }
    });
    s.check([](const TariffSpec& t, const std::string& path) {
      if (t.seller.empty() == !t.list) {
        throw InputError(place_of(t.places, ""),
                         path + " needs either a seller of models/prices or a list of its own.");
      }
    });
    return s;
  }();
  return schema;
}

const Schema<PackSpec>& pack_choice_schema() {
  static const auto schema =
      Schema<PackSpec>("prepaid", "Prepaid tokens instead of prices per token.")
          .text("seller", &PackSpec::seller, Need::required, "Seller of models/prices.")
          .text("name", &PackSpec::name, Need::required, "Name of the pack.")
          .number("breakage", &PackSpec::breakage, optional, below_one,
                  "Share of the tokens that lapses unused.");
  return schema;
}

const Schema<AnswersSpec>& answers_schema() {
  static const auto schema = [] {
    Schema<AnswersSpec> s("answers", "Further questions, answered for every candidate.");
    maybe_object(s, "rent_or_pay", &AnswersSpec::rent_or_pay, rent_or_pay_schema(),
                 "From which volume on renting the machines beats paying by the token; needs "
                 "pricing.tariff.");
    maybe_object(s, "commitment", &AnswersSpec::commitment, commitment_schema(),
                 "From which use on a reservation beats paying for hours in use.");
    maybe_object(s, "inflation", &AnswersSpec::inflation, inflation_schema(),
                 "What hits, compression, reasoning, fan-out and turns do to the cost and the "
                 "price of a task.");
    return s;
  }();
  return schema;
}

}  // namespace tollgate
