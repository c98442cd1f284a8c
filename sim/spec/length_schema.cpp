#include "sim/spec/length_schema.h"

#include "sim/base/text.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;
constexpr Range token_range{1, 1e8};

}  // namespace

FieldInfo length_field(const char* name, Need need, const char* doc) {
  FieldInfo info;
  info.name = name;
  info.type = FieldInfo::Type::object;
  info.required = need == required;
  info.doc = doc;
  info.child = &length_schema().info();
  return info;
}

LengthSpec read_length(const YamlNode& node, const std::string& path) {
  if (node.kind != YamlNode::Kind::scalar) return length_schema().read(node, path);
  LengthSpec length;
  length.tokens = static_cast<double>(scalar::integer(node, path, token_range));
  length.places[""] = node.place;
  return length;
}

YamlPtr write_length(const LengthSpec& length) {
  if (!length.given()) return nullptr;
  return length_schema().write(length);
}

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

}  // namespace tollgate
