#include <set>
#include <tuple>

#include "sim/base/text.h"
#include "sim/spec/model_schema.h"
#include "sim/spec/money.h"
#include "sim/spec/tariff_schema.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;

template <class T>
Schema<T>& date(Schema<T>& schema, std::string T::*member) {
  FieldInfo info;
  info.name = "date";
  info.required = true;
  info.doc = "ISO date, month or year on which it held.";
  return schema.custom(
      std::move(info),
      [member](const YamlNode& n, const std::string& p, T& t) { t.*member = read_date(n, p); },
      [member](const T& t) { return yaml_scalar(t.*member); });
}

const Schema<GpuPrice>& gpu_price_schema() {
  static const auto schema = [] {
    Schema<GpuPrice> s("gpu price", "What one hour of one accelerator costs, on a date.");
    s.text("hardware", &GpuPrice::hardware, required, "Name of the accelerator.");
    s.text("level", &GpuPrice::level, required,
           "Kind of price: rent-3yr, rent-1yr, on-demand, spot, hyperscaler-own, "
           "neocloud-own, ...");
    s.quantity("price", &GpuPrice::usd_per_hour, Dimension::usd_per_hour, required, positive,
               "Price of one accelerator for one hour.");
    date(s, &GpuPrice::date);
    s.text("from", &GpuPrice::from, required, "Who published it.");
    return s;
  }();
  return schema;
}

const Schema<CapitalPrice>& capital_schema() {
  static const auto schema = [] {
    Schema<CapitalPrice> s(
        "capital price",
        "What buying one accelerator costs, with its share of server and network.");
    s.text("hardware", &CapitalPrice::hardware, required, "Name of the accelerator.");
    s.quantity("price", &CapitalPrice::usd, Dimension::usd, required, positive,
               "Price of one accelerator, all in.");
    date(s, &CapitalPrice::date);
    s.text("from", &CapitalPrice::from, required, "Who published it.");
    s.text("note", &CapitalPrice::note, optional, "What the figure holds.");
    return s;
  }();
  return schema;
}

const Schema<PowerPrice>& power_schema() {
  static const auto schema = [] {
    Schema<PowerPrice> s("power price", "What a kilowatt-hour costs and emits in a region.");
    s.text("region", &PowerPrice::region, required, "Name of the region.");
    s.quantity("price", &PowerPrice::usd_per_kwh, Dimension::usd_per_kwh, required, not_negative,
               "Price of a kilowatt-hour to an industrial customer.");
    s.number("kg_co2_per_kwh", &PowerPrice::kg_co2_per_kwh, optional, Range{0, 5},
             "Carbon dioxide of a kilowatt-hour; left out where not stated.");
    date(s, &PowerPrice::date);
    s.text("from", &PowerPrice::from, required, "Who published it.");
    return s;
  }();
  return schema;
}

}  // namespace

const Schema<PriceBook>& price_schema() {
  static const auto schema =
      Schema<PriceBook>("prices", "Dated prices.")
          .text("name", &PriceBook::name, required, "Name; equals the file name.")
          .list("gpus", &PriceBook::gpus, gpu_price_schema(), optional, "Prices of accelerators.")
          .list("capital", &PriceBook::capital, capital_schema(), optional,
                "What buying accelerators costs.")
          .list("power", &PriceBook::power, power_schema(), optional, "Electricity.")
          .list("tokens", &PriceBook::tokens, tariff_schema(), optional, "Prices of API tokens.")
          .list("packs", &PriceBook::packs, token_pack_schema(), optional, "Prepaid tokens.")
          .list("seats", &PriceBook::seats, seat_plan_schema(), optional, "Fees per person.")
          .list("provisioned", &PriceBook::provisioned, provisioned_plan_schema(), optional,
                "Reserved throughput.")
          .list("currencies", &PriceBook::currencies, currency_rate_schema(), optional,
                "Rates of currencies.")
          .list("sources", &PriceBook::sources, source_schema(), required,
                "Where the prices were read.")
          .check([](const PriceBook& book, const std::string& path) {
            std::set<std::tuple<std::string, std::string, std::string>> seen;
            for (const Tariff& t : book.tokens) {
              if (seen.insert({t.model, t.seller, first_day(t.date)}).second) continue;
              throw InputError(place_of(t.places, ""), path + ".tokens has two prices of " +
                                                           t.model + " by " + t.seller + " from " +
                                                           t.date + " on.");
            }
          });
  return schema;
}

}  // namespace tollgate
