#include "sim/spec/tariff_schema.h"

#include <algorithm>
#include <cstdlib>

#include "sim/base/text.h"
#include "sim/spec/money.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;

FieldInfo info_of(const char* name, Need need, const char* doc) {
  FieldInfo info;
  info.name = name;
  info.type = FieldInfo::Type::quantity;
  info.required = need == required;
  info.doc = doc;
  return info;
}

/// An amount with its currency; all amounts of an object are in the same one.
template <class T>
void money(Schema<T>& schema, const char* name, double T::*member, const char* per, Need need,
           const char* doc) {
  FieldInfo info = info_of(name, need, doc);
  info.range = describe(not_negative);
  for (const char* currency : {"USD", "CNY", "EUR", "GBP", "JPY", "KRW", "INR"})
    info.units.push_back(std::string(currency) + per);
  schema.custom(
      std::move(info),
      [member, per](const YamlNode& n, const std::string& p, T& t) {
        const Money m = read_money(n, p, per);
        t.*member = m.amount;
        if (t.places.count("currency") && t.currency != m.currency) {
          throw InputError(n.place, p + " is in " + m.currency + ", but a price before it is in " +
                                        t.currency + "; a tariff has one currency.");
        }
        t.currency = m.currency;
        t.places["currency"] = n.place;
      },
      [member, per](const T& t) -> YamlPtr {
        if (t.*member < 0) return nullptr;
        return yaml_scalar(shortest(t.*member) + " " + t.currency + per);
      });
}

template <class T>
void date(Schema<T>& schema, std::string T::*member, const char* doc) {
  FieldInfo info = info_of("date", required, doc);
  info.type = FieldInfo::Type::text;
  schema.custom(
      std::move(info),
      [member](const YamlNode& n, const std::string& p, T& t) { t.*member = read_date(n, p); },
      [member](const T& t) { return yaml_scalar(t.*member); });
}

/// The prices of a condition.
template <class T>
void change(Schema<T>& s) {
  money<T>(s, "input", &T::input, "/Mtok", optional, "Uncached prompt tokens, instead.");
  money<T>(s, "cached_input", &T::cached_input, "/Mtok", optional,
           "Prompt tokens found in the cache, instead.");
  money<T>(s, "cache_write", &T::cache_write, "/Mtok", optional,
           "Prompt tokens written to the cache, instead.");
  money<T>(s, "output", &T::output, "/Mtok", optional, "Generated tokens, instead.");
  s.number("factor", &T::factor, optional, Range{0, 1000}, "Times the prices not stated here.");
}

const Schema<ContextTier>& tier_schema() {
  static const auto schema = [] {
    Schema<ContextTier> s("context tier", "Prices of requests with a long prompt.");
    s.number("above", &ContextTier::above, required, positive,
             "Prompt tokens from which on it holds, for all tokens of the request.");
    change(s);
    return s;
  }();
  return schema;
}

const Schema<PriceChange>& speed_schema() {
  static const auto schema = [] {
    Schema<PriceChange> s("speed tier", "Prices of faster or slower service.");
    s.text("name", &PriceChange::name, required, "Name by which a scenario chooses it.");
    change(s);
    return s;
  }();
  return schema;
}

constexpr int minutes_per_day = 24 * 60;

/// "09:00" as minutes since midnight; 24:00 is the day's end. -1: not a time.
int clock(const std::string& text) {
  if (text.size() != 5 || text[2] != ':') return -1;
  for (const std::size_t i : {0, 1, 3, 4}) {
    if (text[i] < '0' || text[i] > '9') return -1;
  }
  const int minutes = std::stoi(text.substr(0, 2)) * 60 + std::stoi(text.substr(3));
  return text[3] > '5' || minutes > minutes_per_day ? -1 : minutes;
}

std::string clock_text(int minutes) {
  const auto two = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  return two(minutes / 60) + ":" + two(minutes % 60);
}

const Schema<TariffWindow>& window_schema() {
  static const auto schema = [] {
    Schema<TariffWindow> s("tariff window", "Hours of every day with other prices.");
    s.text("name", &TariffWindow::name, required, "Name in the report: peak, off-peak, ...");
    FieldInfo hours = info_of("hours", required,
                              "From and to in the tariff's time zone, HH:MM-HH:MM; 22:00-06:00 "
                              "passes midnight.");
    hours.type = FieldInfo::Type::text;
    s.custom(
        std::move(hours),
        [](const YamlNode& n, const std::string& p, TariffWindow& w) {
          const std::string text = scalar::text(n, p);
          const std::size_t dash = text.find('-');
          w.from = clock(text.substr(0, dash));
          w.to = dash == std::string::npos ? -1 : clock(text.substr(dash + 1));
          if (w.from < 0 || w.to < 0 || w.from == w.to || w.from == minutes_per_day) {
            throw InputError(n.place,
                             p + " must be hours such as 09:00-12:00, but is " + quote(text) + ".");
          }
        },
        [](const TariffWindow& w) {
          return yaml_scalar(clock_text(w.from) + "-" + clock_text(w.to));
        });
    change(s);
    return s;
  }();
  return schema;
}

/// "UTC", "UTC+8", "UTC-03:30" as minutes east.
int read_offset(const YamlNode& node, const std::string& path) {
  const std::string text = scalar::text(node, path);
  const auto refuse = [&]() -> int {
    throw InputError(node.place, path + " must be an offset such as UTC+8 or UTC-03:30, but is " +
                                     quote(text) + ".");
  };
  if (text == "UTC") return 0;
  if (!text.starts_with("UTC") || text.size() < 5 || (text[3] != '+' && text[3] != '-'))
    return refuse();
  std::string hours = text.substr(4), minutes = "00";
  if (const std::size_t colon = hours.find(':'); colon != std::string::npos) {
    minutes = hours.substr(colon + 1);
    hours = hours.substr(0, colon);
  }
  const auto digits = [](const std::string& t) {
    return !t.empty() && t.size() <= 2 &&
           std::all_of(t.begin(), t.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!digits(hours) || !digits(minutes) || minutes.size() != 2) return refuse();
  const int h = std::stoi(hours), m = std::stoi(minutes);
  if (h > 14 || m > 59) return refuse();
  return (text[3] == '-' ? -1 : 1) * (60 * h + m);
}

std::string offset_text(int minutes) {
  if (minutes == 0) return "UTC";
  return std::string(minutes < 0 ? "UTC-" : "UTC+") + clock_text(std::abs(minutes));
}

bool in_window(const TariffWindow& w, int minute) {
  return w.from < w.to ? minute >= w.from && minute < w.to : minute >= w.from || minute < w.to;
}

void check_tariff(const Tariff& t, const std::string& path) {
  for (std::size_t i = 1; i < t.tiers.size(); ++i) {
    if (t.tiers[i].above <= t.tiers[i - 1].above) {
      throw InputError(place_of(t.tiers[i].places, "above"),
                       path + ".tiers[" + std::to_string(i) + "].above is " +
                           shortest(t.tiers[i].above) + ", but must exceed the tier before it.");
    }
  }
  for (std::size_t i = 0; i < t.windows.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const TariffWindow &a = t.windows[j], &b = t.windows[i];
      if (!in_window(a, b.from) && !in_window(b, a.from)) continue;
      throw InputError(place_of(b.places, "hours"),
                       path + ".windows: " + clock_text(b.from) + "-" + clock_text(b.to) +
                           " overlaps with " + clock_text(a.from) + "-" + clock_text(a.to) + ".");
    }
  }
  const auto same_currency = [&](const PriceChange& c) {
    if (c.currency.empty() || c.currency == t.currency) return;
    throw InputError(place_of(c.places, "currency"), path + " is in " + t.currency +
                                                         ", but a price of its conditions is in " +
                                                         c.currency + ".");
  };
  for (const auto& c : t.tiers) same_currency(c);
  for (const auto& c : t.speeds) same_currency(c);
  for (const auto& c : t.windows) same_currency(c);
}

}  // namespace

const Schema<Tariff>& tariff_schema() {
  static const auto schema = [] {
    Schema<Tariff> s("token price", "What an API charges from a date on.");
    s.text("model", &Tariff::model, required, "Name of the model.");
    s.text("seller", &Tariff::seller, required, "Who sells it.");
    date<Tariff>(s, &Tariff::date, "ISO date, month or year from which it holds.");
    money<Tariff>(s, "input", &Tariff::input, "/Mtok", required, "Uncached prompt tokens.");
    money<Tariff>(s, "cached_input", &Tariff::cached_input, "/Mtok", optional,
                  "Prompt tokens found in the cache; left out where not stated.");
    money<Tariff>(s, "cache_write", &Tariff::cache_write, "/Mtok", optional,
                  "Prompt tokens written to the cache; left out where not stated.");
    money<Tariff>(s, "cache_write_1h", &Tariff::cache_write_1h, "/Mtok", optional,
                  "Prompt tokens written to the cache and kept for an hour.");
    money<Tariff>(s, "output", &Tariff::output, "/Mtok", required, "Generated tokens.");
    s.list("tiers", &Tariff::tiers, tier_schema(), optional,
           "Prices of long prompts, rising in `above`.");
    s.list("speeds", &Tariff::speeds, speed_schema(), optional,
           "Prices of faster or slower service.");
    FieldInfo batch =
        info_of("batch_factor", optional,
                "Times the price for answers within a day; left out where not offered.");
    batch.type = FieldInfo::Type::number;
    batch.range = describe(Range{0, 1});
    s.custom(
        std::move(batch),
        [](const YamlNode& n, const std::string& p, Tariff& t) {
          t.batch_factor = scalar::number(n, p, Range{0, 1});
        },
        [](const Tariff& t) -> YamlPtr {
          return t.batch_factor < 0 ? nullptr : yaml_scalar(shortest(t.batch_factor));
        });
    FieldInfo zone = info_of("time_zone", optional,
                             "Offset of the windows' clock: UTC+8, UTC-03:30; no daylight saving.");
    zone.type = FieldInfo::Type::text;
    zone.default_text = "UTC";
    s.custom(
        std::move(zone),
        [](const YamlNode& n, const std::string& p, Tariff& t) {
          t.utc_offset = read_offset(n, p);
        },
        [](const Tariff& t) { return yaml_scalar(offset_text(t.utc_offset)); });
    s.list("windows", &Tariff::windows, window_schema(), optional,
           "Hours of the day with other prices; they may not overlap.");
    s.text("from", &Tariff::from, required, "Where the price was read.");
    s.text("note", &Tariff::note, optional, "Condition of the price.");
    s.check(check_tariff);
    return s;
  }();
  return schema;
}

const Schema<CurrencyRate>& currency_rate_schema() {
  static const auto schema = [] {
    Schema<CurrencyRate> s("currency rate",
                           "What a US dollar costs in another currency, on a date.");
    FieldInfo currency = info_of("currency", required, "Code of three capital letters.");
    currency.type = FieldInfo::Type::text;
    s.custom(
        std::move(currency),
        [](const YamlNode& n, const std::string& p, CurrencyRate& r) {
          r.currency = read_currency(n, p);
        },
        [](const CurrencyRate& r) { return yaml_scalar(r.currency); });
    s.number("per_usd", &CurrencyRate::per_usd, required, positive,
             "Units of it for one US dollar.");
    date<CurrencyRate>(s, &CurrencyRate::date, "ISO date, month or year from which it holds.");
    s.text("from", &CurrencyRate::from, required, "Where the rate was read.");
    return s;
  }();
  return schema;
}

const Schema<TokenPack>& token_pack_schema() {
  static const auto schema = [] {
    Schema<TokenPack> s("token pack",
                        "Tokens paid for in advance, at one price whatever their kind.");
    s.text("name", &TokenPack::name, required, "Name of the offer.");
    s.text("seller", &TokenPack::seller, required, "Who sells it.");
    s.text("model", &TokenPack::model, optional,
           "Name of the model; left out: any of the seller's.");
    date<TokenPack>(s, &TokenPack::date, "ISO date, month or year from which it holds.");
    s.number("tokens", &TokenPack::tokens, required, positive, "Tokens in the pack.");
    money<TokenPack>(s, "price", &TokenPack::price, "", required, "Price of the pack.");
    s.number("valid_days", &TokenPack::valid_days, optional, not_negative,
             "Days until what is left lapses; 0 where not stated.");
    s.text("from", &TokenPack::from, required, "Where it was read.");
    return s;
  }();
  return schema;
}

const Schema<SeatPlan>& seat_plan_schema() {
  static const auto schema = [] {
    Schema<SeatPlan> s("seat plan", "A fee per person and month.");
    s.text("name", &SeatPlan::name, required, "Name of the plan.");
    s.text("seller", &SeatPlan::seller, required, "Who sells it.");
    date<SeatPlan>(s, &SeatPlan::date, "ISO date, month or year from which it holds.");
    money<SeatPlan>(s, "per_month", &SeatPlan::per_month, "/month", required,
                    "Fee of one person for a month.");
    s.boolean("usage_included", &SeatPlan::usage_included, optional,
              "true: nothing on top; false: usage is paid for at the seller's token prices.");
    s.text("from", &SeatPlan::from, required, "Where it was read.");
    return s;
  }();
  return schema;
}

const Schema<ProvisionedPlan>& provisioned_plan_schema() {
  static const auto schema = [] {
    Schema<ProvisionedPlan> s("provisioned throughput", "Throughput reserved by the hour.");
    s.text("name", &ProvisionedPlan::name, required, "Name of the offer.");
    s.text("seller", &ProvisionedPlan::seller, required, "Who sells it.");
    s.text("model", &ProvisionedPlan::model, required, "Name of the model.");
    date<ProvisionedPlan>(s, &ProvisionedPlan::date,
                          "ISO date, month or year from which it holds.");
    money<ProvisionedPlan>(s, "per_hour", &ProvisionedPlan::per_hour, "/h", required,
                           "Price of one unit for an hour, used or not.");
    s.number("input_tokens_per_second", &ProvisionedPlan::input_tokens_per_second, optional,
             not_negative, "Prompt tokens one unit carries, beside the output.");
    s.number("output_tokens_per_second", &ProvisionedPlan::output_tokens_per_second, required,
             positive, "Generated tokens one unit carries.");
    s.text("from", &ProvisionedPlan::from, required, "Where it was read.");
    return s;
  }();
  return schema;
}

}  // namespace tollgate
