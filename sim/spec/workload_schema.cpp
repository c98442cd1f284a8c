#include "sim/spec/workload_schema.h"

#include <algorithm>
#include <cmath>

#include "sim/base/text.h"
#include "sim/spec/model_schema.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;
constexpr Range token_range{1, 1e8};

FieldInfo length_field(const char* name, const char* doc) {
  FieldInfo info;
  info.name = name;
  info.type = FieldInfo::Type::object;
  info.required = true;
  info.doc = doc;
  info.child = &length_schema().info();
  return info;
}

/// A plain number is a fixed length.
LengthSpec read_length(const YamlNode& node, const std::string& path) {
  if (node.kind != YamlNode::Kind::scalar) return length_schema().read(node, path);
  LengthSpec length;
  length.tokens = static_cast<double>(scalar::integer(node, path, token_range));
  length.places[""] = node.place;
  return length;
}

}  // namespace

const Schema<LengthSpec>& length_schema() {
  static const auto schema = [] {
    Schema<LengthSpec> s("length",
                         "A distribution of token counts; a plain number is a fixed length.");
    s.choice<LengthKind>("kind", &LengthSpec::kind, required,
                         {{"fixed", LengthKind::fixed},
                          {"uniform", LengthKind::uniform},
                          {"lognormal", LengthKind::lognormal},
                          {"quantiles", LengthKind::quantiles}},
                         "Shape of the distribution.");
    s.number("tokens", &LengthSpec::tokens, optional, token_range, "fixed: the length in tokens.");
    s.number("low", &LengthSpec::low, optional, token_range, "uniform: shortest length in tokens.");
    s.number("high", &LengthSpec::high, optional, token_range,
             "uniform: longest length in tokens.");
    s.number("mean", &LengthSpec::mean, optional, token_range, "lognormal: mean in tokens.");
    s.number("sigma", &LengthSpec::sigma, optional, Range{0, 4},
             "lognormal: standard deviation of the logarithm.");
    FieldInfo quantiles;
    quantiles.name = "quantiles";
    quantiles.type = FieldInfo::Type::list;
    quantiles.element = FieldInfo::Type::number;
    quantiles.doc =
        "quantiles: lengths in tokens at equally spaced probabilities from 0 to 1, not falling.";
    s.custom(
        quantiles,
        [](const YamlNode& node, const std::string& path, LengthSpec& length) {
          expect_kind(node, YamlNode::Kind::sequence, path);
          length.quantiles.clear();
          for (const auto& item : node.items) {
            const double value = scalar::number(*item, path, token_range);
            if (!length.quantiles.empty() && value < length.quantiles.back()) {
              throw InputError(item->place, path + " must not fall, but " + item->scalar +
                                                " follows " + shortest(length.quantiles.back()) +
                                                ".");
            }
            length.quantiles.push_back(value);
          }
        },
        [](const LengthSpec& length) -> YamlPtr {
          if (length.quantiles.empty()) return nullptr;
          auto list = yaml_sequence();
          for (const double value : length.quantiles)
            list->items.push_back(yaml_scalar(shortest(value)));
          return list;
        });
    s.check([](const LengthSpec& l, const std::string& path) {
      const auto lacks = [&](const char* key) {
        throw InputError(place_of(l.places, "kind"),
                         path + " lacks '" + key + "', which this kind needs.");
      };
      if (l.kind == LengthKind::fixed && l.tokens == 0) lacks("tokens");
      if (l.kind == LengthKind::uniform && l.low == 0) lacks("low");
      if (l.kind == LengthKind::uniform && l.high == 0) lacks("high");
      if (l.kind == LengthKind::uniform && l.high < l.low) {
        throw InputError(place_of(l.places, "high"), path + ".high is " + shortest(l.high) +
                                                         ", below low " + shortest(l.low) + ".");
      }
      if (l.kind == LengthKind::lognormal && l.mean == 0) lacks("mean");
      if (l.kind == LengthKind::quantiles && l.quantiles.size() < 2) lacks("quantiles");
    });
    return s;
  }();
  return schema;
}

const Schema<RequestClass>& request_class_schema() {
  static const auto schema = [] {
    Schema<RequestClass> s("request class", "One class of requests of the workload mix.");
    s.text("name", &RequestClass::name, required, "Name of the class.");
    s.number("weight", &RequestClass::weight, optional, positive,
             "Share of requests, relative to the others.");
    s.custom(
        length_field("input", "Prompt length in tokens, the cached part included."),
        [](const YamlNode& n, const std::string& p, RequestClass& c) {
          c.input = read_length(n, p);
        },
        [](const RequestClass& c) { return length_schema().write(c.input); });
    s.custom(
        length_field("output", "Generated tokens, the first included."),
        [](const YamlNode& n, const std::string& p, RequestClass& c) {
          c.output = read_length(n, p);
        },
        [](const RequestClass& c) { return length_schema().write(c.output); });
    s.number("prefix_hit_rate", &RequestClass::prefix_hit_rate, required, fraction,
             "Fraction of prompt tokens found in the prefix cache. Required: a missing rate is not "
             "zero.");
    s.list("sources", &RequestClass::sources, source_schema(), optional,
           "Where the lengths were measured.");
    return s;
  }();
  return schema;
}

const Schema<LoadSpec>& load_schema() {
  static const auto schema =
      Schema<LoadSpec>("load", "What is offered to the service.")
          .choice<LoadKind>(
              "kind", &LoadSpec::kind, required,
              {{"saturate", LoadKind::saturate},
               {"concurrency", LoadKind::concurrency},
               {"rate", LoadKind::rate}},
              "saturate: the largest throughput that keeps the SLO; concurrency: so many "
              "requests in flight per replica; rate: a request rate for the whole service, "
              "with as many replicas as the SLO needs.")
          .number("concurrency", &LoadSpec::concurrency, optional, Range{1, 1e6},
                  "Requests in flight per replica.")
          .quantity("rate", &LoadSpec::rate, Dimension::per_second, optional, positive,
                    "Requests per second for the whole service.")
          .check([](const LoadSpec& l, const std::string& path) {
            for (const auto& [key, kind] :
                 {std::pair{"concurrency", LoadKind::concurrency}, {"rate", LoadKind::rate}}) {
              if (l.places.count(key) && l.kind != kind) {
                throw InputError(place_of(l.places, key),
                                 path + "." + key + " goes with 'kind: " + key + "'.");
              }
            }
            if (l.kind == LoadKind::concurrency && l.concurrency == 0) {
              throw InputError(place_of(l.places, "kind"),
                               path + " lacks 'concurrency', which this kind needs.");
            }
            if (l.kind == LoadKind::rate && l.rate == 0) {
              throw InputError(place_of(l.places, "kind"),
                               path + " lacks 'rate', which this kind needs.");
            }
          });
  return schema;
}

const Schema<SloSpec>& slo_schema() {
  static const auto schema =
      Schema<SloSpec>("slo", "Latency targets on means; a target that is left out does not bound.")
          .quantity("ttft", &SloSpec::ttft, Dimension::seconds, optional, positive,
                    "Time to the first token.")
          .quantity("tpot", &SloSpec::tpot, Dimension::seconds, optional, positive,
                    "Time per output token after the first.");
  return schema;
}

}  // namespace tollgate
