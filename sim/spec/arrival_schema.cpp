#include "sim/spec/arrival_schema.h"

#include <algorithm>
#include <tuple>

#include "sim/base/text.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;

const Schema<TimeZone>& time_zone_schema() {
  static const auto schema =
      Schema<TimeZone>("time zone", "Users who live by the same clock.")
          .number("utc_offset", &TimeZone::utc_offset, required, Range{-12, 14},
                  "Hours ahead of UTC, in quarters of an hour.")
          .number("share", &TimeZone::share, required, positive,
                  "Share of the users, relative to the other zones.")
          .check([](const TimeZone& zone, const std::string& path) {
            const double quarters = zone.utc_offset * 4;
            if (quarters == static_cast<double>(static_cast<int>(quarters))) return;
            throw InputError(place_of(zone.places, "utc_offset"),
                             path + ".utc_offset is " + shortest(zone.utc_offset) +
                                 ", which is not a whole number of quarter hours.");
          });
  return schema;
}

FieldInfo hours_field() {
  FieldInfo info;
  info.name = "hours";
  info.type = FieldInfo::Type::list;
  info.element = FieldInfo::Type::number;
  info.doc =
      "diurnal: rate of each of the 24 hours of the local day, relative to the others. Default: a "
      "day of ServeGen's deepseek-r1 service (2.2 between peak and mean).";
  return info;
}

void read_hours(const YamlNode& node, const std::string& path, ArrivalSpec& a) {
  expect_kind(node, YamlNode::Kind::sequence, path);
  a.hours.clear();
  for (const auto& item : node.items) a.hours.push_back(scalar::number(*item, path, not_negative));
  if (a.hours.size() != 24) {
    throw InputError(node.place, path + " has " + std::to_string(a.hours.size()) +
                                     " values, but the day has 24 hours.");
  }
  if (*std::max_element(a.hours.begin(), a.hours.end()) == 0) {
    throw InputError(node.place, path + " is zero in every hour, so that no request ever comes.");
  }
}

YamlPtr write_hours(const ArrivalSpec& a) {
  if (a.hours.empty()) return nullptr;
  auto list = yaml_sequence();
  for (const double value : a.hours) list->items.push_back(yaml_scalar(shortest(value)));
  return list;
}

void check_arrivals(const ArrivalSpec& a, const std::string& path) {
  constexpr std::tuple<const char*, ArrivalKind, const char*> owners[] = {
      {"cv", ArrivalKind::gamma, "gamma"},
      {"on", ArrivalKind::on_off, "on_off"},
      {"off", ArrivalKind::on_off, "on_off"},
      {"off_share", ArrivalKind::on_off, "on_off"},
      {"hours", ArrivalKind::diurnal, "diurnal"},
      {"peak_to_mean", ArrivalKind::diurnal, "diurnal"},
      {"time_zones", ArrivalKind::diurnal, "diurnal"},
      {"start", ArrivalKind::diurnal, "diurnal"}};
  for (const auto& [key, kind, name] : owners) {
    if (a.places.count(key) && a.kind != kind) {
      throw InputError(place_of(a.places, key),
                       path + "." + key + " goes with 'kind: " + name + "'.");
    }
  }
  const auto needs = [&](const char* key, ArrivalKind kind) {
    if (a.kind != kind || a.places.count(key)) return;
    throw InputError(place_of(a.places, "kind"),
                     path + " lacks '" + key + "', which this kind needs.");
  };
  needs("cv", ArrivalKind::gamma);
  needs("on", ArrivalKind::on_off);
  needs("off", ArrivalKind::on_off);
  if (a.kind != ArrivalKind::diurnal) return;
  const std::vector<double> rate = quarterly_rate(a);
  if (*std::min_element(rate.begin(), rate.end()) < 0) {
    throw InputError(place_of(a.places, "peak_to_mean"),
                     path + ".peak_to_mean is " + shortest(a.peak_to_mean) +
                         ", so much that the quietest hours would have a rate below zero.");
  }
}

}  // namespace

const Schema<ArrivalSpec>& arrival_schema() {
  static const auto schema =
      Schema<ArrivalSpec>("arrivals", "When requests come, at a given mean rate.")
          .choice<ArrivalKind>(
              "kind", &ArrivalSpec::kind, required,
              {{"poisson", ArrivalKind::poisson},
               {"uniform", ArrivalKind::uniform},
               {"gamma", ArrivalKind::gamma},
               {"on_off", ArrivalKind::on_off},
               {"diurnal", ArrivalKind::diurnal}},
              "poisson: independent of each other; uniform: equally spaced; gamma: "
              "gaps with a coefficient of variation; on_off: bursts; diurnal: a "
              "rate that follows the hours of the day.")
          .number("cv", &ArrivalSpec::cv, optional, Range{0.01, 100},
                  "gamma: standard deviation of the gaps over their mean.")
          .quantity("on", &ArrivalSpec::on, Dimension::seconds, optional, Range{1e-3, unbounded},
                    "on_off: mean duration of a burst.")
          .quantity("off", &ArrivalSpec::off, Dimension::seconds, optional, Range{1e-3, unbounded},
                    "on_off: mean duration between bursts.")
          .number("off_share", &ArrivalSpec::off_share, optional, fraction,
                  "on_off: rate between bursts, as a share of the rate in them.")
          .custom(hours_field(), read_hours, write_hours)
          .number("peak_to_mean", &ArrivalSpec::peak_to_mean, optional, at_least_one,
                  "diurnal: stretches the profile, all time zones together, until its peak is so "
                  "many times the mean.")
          .named_map("time_zones", &ArrivalSpec::time_zones, time_zone_schema(), optional,
                     "diurnal: where the users live. Default: in UTC.")
          .number("start", &ArrivalSpec::start, optional, Range{0, 24},
                  "diurnal: hour of the day in UTC at which the simulation begins.")
          .check(check_arrivals);
  return schema;
}

ArrivalSpec read_arrivals(const YamlNode& node, const std::string& path) {
  if (node.kind != YamlNode::Kind::scalar) return arrival_schema().read(node, path);
  YamlNode mapping;
  mapping.kind = YamlNode::Kind::mapping;
  mapping.place = node.place;
  mapping.entries.push_back({"kind", node.place, std::make_shared<YamlNode>(node)});
  return arrival_schema().read(mapping, path);
}

}  // namespace tollgate
