#include "tools/schema_json.h"

#include <nlohmann/json.hpp>

#include "sim/base/text.h"

namespace tollgate {
namespace {

using Json = nlohmann::ordered_json;
using Type = FieldInfo::Type;

std::string definition_name(const SchemaInfo& info, bool partial) {
  std::string name = info.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return partial ? name + "_on_base" : name;
}

/// Numbers come as JSON integers where they are whole, so that schemas stay readable.
Json bound(double value) {
  constexpr double exact = 9007199254740992.0;
  const bool whole = value > -exact && value < exact &&
                     value == static_cast<double>(static_cast<long long>(value));
  return whole ? Json(static_cast<long long>(value)) : Json(value);
}

void add_range(Json& json, const std::string& text) {
  const Range range = parse_range(text);
  if (range.low > -unbounded) json[range.above ? "exclusiveMinimum" : "minimum"] = bound(range.low);
  if (range.high < unbounded) json["maximum"] = bound(range.high);
}

std::string regex_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string(".^$*+?()[]{}|\\/").find(c) != std::string::npos) out += '\\';
    out += c;
  }
  return out;
}

Json quantity(const FieldInfo& field) {
  std::vector<std::string> units;
  for (const std::string& unit : field.units) units.push_back(regex_escaped(unit));
  return {{"type", "string"},
          {"pattern", "^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?[ \\t]+(" +
                          join(units, "|") + ")$"}};
}

class Writer {
 public:
  explicit Writer(const SchemaInfo& root) : root_(object(root, false, true)) {}

  Json document(const SchemaInfo& info) {
    Json json{{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "Tollgate " + info.name}};
    json.update(root_);
    json["definitions"] = definitions_;
    return json;
  }

 private:
  /// A field that may also be written in a shorter form.
  Json with_shorthand(const SchemaInfo& child) {
    const Json name{{"type", "string"}};
    Json forms = Json::array();
    switch (shorthand_of(child)) {
      case Shorthand::none:
        return reference(child);
      case Shorthand::count:
        forms = {Json{{"type", "integer"}, {"minimum", 1}}, reference(child)};
        break;
      case Shorthand::automatic:
        forms = {Json{{"const", "auto"}}, reference(child)};
        break;
      case Shorthand::auto_or_none:
        forms = {Json{{"enum", {"auto", "none"}}}, reference(child)};
        break;
      case Shorthand::share:
        forms = {Json{{"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", 1}},
                 reference(child)};
        break;
      case Shorthand::name:
        forms = {name, reference(child, true)};
        break;
      case Shorthand::kind:
        forms = {Json{{"enum", child.fields.front().choices}}, reference(child)};
        break;
      case Shorthand::names:
        forms = {name, Json{{"type", "array"}, {"items", name}, {"minItems", 1}},
                 reference(child, true)};
        break;
    }
    return {{"anyOf", std::move(forms)}};
  }

  Json reference(const SchemaInfo& child, bool partial = false) {
    const std::string name = definition_name(child, partial);
    if (!definitions_.contains(name)) {
      definitions_[name] = nullptr;
      Json made = object(child, partial, false);
      definitions_[name] = std::move(made);
    }
    return {{"$ref", "#/definitions/" + name}};
  }

  Json simple(Type type) {
    switch (type) {
      case Type::text:
        return {{"type", Json::array({"string", "number"})}};
      case Type::integer:
        return {{"type", "integer"}};
      case Type::number:
        return {{"type", "number"}};
      case Type::boolean:
        return {{"type", "boolean"}};
      default:
        return Json::object();
    }
  }

  Json list(const FieldInfo& field) {
    Json items = simple(field.element);
    if (field.child) {
      items = reference(*field.child);
      // An element of a workload may take a models/traffic entry and change it.
      if (field.name == "workload")
        items = {{"anyOf", Json::array({items, reference(*field.child, true)})}};
    }
    return {{"type", "array"}, {"items", items}};
  }

  Json value(const FieldInfo& field) {
    Json json;
    switch (field.type) {
      case Type::text:
      case Type::boolean:
        json = simple(field.type);
        break;
      case Type::integer:
      case Type::number:
        json = simple(field.type);
        add_range(json, field.range);
        break;
      case Type::quantity:
        json = quantity(field);
        break;
      case Type::choice:
        json["enum"] = field.choices;
        break;
      case Type::list:
        json = list(field);
        break;
      case Type::named_map:
        json = {{"type", "object"}, {"additionalProperties", reference(*field.child)}};
        break;
      case Type::object:
        json = with_shorthand(*field.child);
        break;
      case Type::custom:
        json = Json::object();
        break;
    }
    return json;
  }

  Json property(const FieldInfo& field) {
    Json json{{"description", field.doc}};
    Json type = value(field);
    // Draft-07 ignores what stands beside $ref.
    if (type.contains("$ref")) type = Json{{"allOf", Json::array({type})}};
    json.update(type);
    if (!field.default_text.empty())
      json["description"] = field.doc + " Default: " + field.default_text + ".";
    return json;
  }

  Json object(const SchemaInfo& info, bool partial, bool file) {
    Json properties = Json::object();
    Json required = Json::array();
    Json choices = Json::array();
    if (file) {
      properties["schema_version"] = {{"description", "Version of the file format."}, {"const", 1}};
      required.push_back("schema_version");
    }
    if (partial) {
      const bool request = info.name == "request class";
      properties[request ? "traffic" : "base"] = {
          {"description", "Entry of models/ to start from; the other keys change it."},
          {"type", "string"}};
      if (request) required.push_back("traffic");
    }
    for (const FieldInfo& field : info.fields) {
      properties[field.name] = property(field);
      if (!field.required || partial) continue;
      if (field.unless.empty()) {
        required.push_back(field.name);
      } else {
        choices.push_back({{"anyOf", Json::array({Json{{"required", {field.name}}},
                                                  Json{{"required", {field.unless}}}})}});
      }
    }
    Json json{{"description", info.doc}, {"type", "object"}, {"properties", properties}};
    if (!required.empty()) json["required"] = required;
    if (!choices.empty()) json["allOf"] = choices;
    json["additionalProperties"] = false;
    return json;
  }

  Json definitions_ = Json::object();
  Json root_;
};

}  // namespace

Shorthand shorthand_of(const SchemaInfo& info) {
  if (info.name == "length") return Shorthand::count;
  if (info.name == "deployment") return Shorthand::automatic;
  if (info.name == "disaggregation") return Shorthand::auto_or_none;
  if (info.name == "utilisation") return Shorthand::share;
  if (info.name == "model" || info.name == "engine") return Shorthand::name;
  if (info.name == "hardware") return Shorthand::names;
  if (info.name == "arrivals") return Shorthand::kind;
  return Shorthand::none;
}

Range parse_range(const std::string& text) {
  Range range{-unbounded, unbounded};
  const auto number = [&](std::size_t from, std::size_t to = std::string::npos) {
    return parse_number(text.substr(from, to == std::string::npos ? to : to - from)).value_or(0);
  };
  const std::string and_most = " and at most ", at_least = "at least ", at_most = "at most ",
                    above = "above ";
  if (text.empty()) return range;
  if (text.starts_with(above)) {
    const std::size_t split = text.find(and_most);
    range.low = number(above.size(), split);
    range.above = true;
    if (split != std::string::npos) range.high = number(split + and_most.size());
  } else if (text.starts_with(at_least)) {
    range.low = number(at_least.size());
  } else if (text.starts_with(at_most)) {
    range.high = number(at_most.size());
  } else if (const std::size_t split = text.find(" to "); split != std::string::npos) {
    range.low = number(0, split);
    range.high = number(split + 4);
  }
  return range;
}

std::string json_schema(const SchemaInfo& info) {
  return Writer(info).document(info).dump(2) + "\n";
}

}  // namespace tollgate
