#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/base/units.h"
#include "sim/spec/model_spec.h"
#include "sim/spec/yaml_tree.h"

namespace tollgate {

/// Bounds of a number, both inclusive unless `above` says the lower one is not.
struct Range {
  double low;
  double high;
  bool above = false;
};
inline constexpr double unbounded = 1e300;
inline constexpr Range positive{0, unbounded, true};
inline constexpr Range not_negative{0, unbounded};
inline constexpr Range fraction{0, 1};
inline constexpr Range at_least_one{1, unbounded};

enum class Need { required, optional };

struct SchemaInfo;

/// What documentation, the JSON Schema and "did you mean" know about one field.
struct FieldInfo {
  enum class Type {
    text,
    integer,
    number,
    quantity,
    boolean,
    choice,
    object,
    list,
    named_map,
    custom
  };
  std::string name;
  Type type = Type::text;
  std::string doc;
  bool required = false;
  std::string unless;  ///< required: not where this other key is given
  std::string default_text;
  std::string range;  ///< "above 0", "0 to 1", ...
  std::vector<std::string> choices;
  std::vector<std::string> units;
  const SchemaInfo* child = nullptr;  ///< object, list and named_map
  bool reference = false;  ///< text naming a models/ entry is accepted instead of an object
  FieldInfo::Type element = Type::object;  ///< list: type of an element
};

struct SchemaInfo {
  std::string name;
  std::string doc;
  std::vector<FieldInfo> fields;
};

/// Typed readings of a scalar. `path` is the dotted name used in messages. All throw InputError.
namespace scalar {
std::string text(const YamlNode& node, const std::string& path);
long long integer(const YamlNode& node, const std::string& path, const Range& range);
double number(const YamlNode& node, const std::string& path, const Range& range);
double quantity(const YamlNode& node, const std::string& path, Dimension dimension,
                const Range& range);
bool boolean(const YamlNode& node, const std::string& path);
/// Index into `choices`.
std::size_t choice(const YamlNode& node, const std::string& path,
                   const std::vector<std::string>& choices);
}  // namespace scalar

/// "above 0", "0 to 1", or "" for no bound.
std::string describe(const Range& range);

void expect_kind(const YamlNode& node, YamlNode::Kind kind, const std::string& path);
[[noreturn]] void unknown_key(const YamlNode::Entry& entry, const std::string& path,
                              const SchemaInfo& info);

/// The field table of a struct: reads it from YAML strictly, writes it back, and describes itself
/// for the JSON Schema and the reference pages. T must have a member `places`.
template <class T>
class Schema {
 public:
  using Read = std::function<void(const YamlNode&, const std::string& path, T&)>;
  using Write = std::function<YamlPtr(const T&)>;

  Schema(std::string name, std::string doc) : info_{std::move(name), std::move(doc), {}} {}

  Schema& text(std::string name, std::string T::*member, Need need, std::string doc) {
    return add(
        field(std::move(name), FieldInfo::Type::text, need, std::move(doc)),
        [member](const YamlNode& n, const std::string& p, T& t) { t.*member = scalar::text(n, p); },
        [member](const T& t) { return yaml_scalar(t.*member); });
  }

  template <class Integer>
  Schema& integer(std::string name, Integer T::*member, Need need, Range range, std::string doc) {
    auto info = field(std::move(name), FieldInfo::Type::integer, need, std::move(doc));
    range.high = std::min(range.high, static_cast<double>(std::numeric_limits<Integer>::max()));
    info.range = describe(range);
    return add(
        std::move(info),
        [member, range](const YamlNode& n, const std::string& p, T& t) {
          t.*member = static_cast<Integer>(scalar::integer(n, p, range));
        },
        [member](const T& t) { return yaml_scalar(std::to_string(t.*member)); });
  }

  Schema& number(std::string name, double T::*member, Need need, Range range, std::string doc) {
    auto info = field(std::move(name), FieldInfo::Type::number, need, std::move(doc));
    info.range = describe(range);
    return add(
        std::move(info),
        [member, range](const YamlNode& n, const std::string& p, T& t) {
          t.*member = scalar::number(n, p, range);
        },
        [member](const T& t) { return yaml_scalar(number_text(t.*member)); });
  }

  Schema& quantity(std::string name, double T::*member, Dimension dimension, Need need, Range range,
                   std::string doc) {
    auto info = field(std::move(name), FieldInfo::Type::quantity, need, std::move(doc));
    info.range = describe(range);
    for (const auto unit : accepted_units(dimension)) info.units.emplace_back(unit);
    return add(
        std::move(info),
        [=](const YamlNode& n, const std::string& p, T& t) {
          t.*member = scalar::quantity(n, p, dimension, range);
        },
        [=](const T& t) { return yaml_scalar(format_quantity(t.*member, dimension)); });
  }

  Schema& boolean(std::string name, bool T::*member, Need need, std::string doc) {
    return add(
        field(std::move(name), FieldInfo::Type::boolean, need, std::move(doc)),
        [member](const YamlNode& n, const std::string& p, T& t) {
          t.*member = scalar::boolean(n, p);
        },
        [member](const T& t) { return yaml_scalar(t.*member ? "true" : "false"); });
  }

  template <class E>
  Schema& choice(std::string name, E T::*member, Need need,
                 std::vector<std::pair<std::string, E>> choices, std::string doc) {
    auto info = field(std::move(name), FieldInfo::Type::choice, need, std::move(doc));
    for (const auto& [text, value] : choices) info.choices.push_back(text);
    return add(
        std::move(info),
        [member, choices, names = info.choices](const YamlNode& n, const std::string& p, T& t) {
          std::vector<std::string> texts;
          for (const auto& [text, value] : choices) texts.push_back(text);
          t.*member = choices[scalar::choice(n, p, texts)].second;
        },
        [member, choices](const T& t) -> YamlPtr {
          for (const auto& [text, value] : choices) {
            if (value == t.*member) return yaml_scalar(text);
          }
          return nullptr;
        });
  }

  template <class C>
  Schema& object(std::string name, C T::*member, const Schema<C>& child, Need need,
                 std::string doc) {
    auto info = field(std::move(name), FieldInfo::Type::object, need, std::move(doc));
    info.child = &child.info();
    return add(
        std::move(info),
        [member, &child](const YamlNode& n, const std::string& p, T& t) {
          t.*member = child.read(n, p, t.*member);
        },
        [member, &child](const T& t) -> YamlPtr {
          YamlPtr node = child.write(t.*member);
          return node->entries.empty() ? nullptr : node;
        });
  }

  template <class C>
  Schema& optional_object(std::string name, std::optional<C> T::*member, const Schema<C>& child,
                          std::string doc) {
    auto info = field(std::move(name), FieldInfo::Type::object, Need::optional, std::move(doc));
    info.child = &child.info();
    return add(
        std::move(info),
        [member, &child](const YamlNode& n, const std::string& p, T& t) {
          t.*member = (t.*member) ? child.read(n, p, *(t.*member), true) : child.read(n, p);
        },
        [member, &child](const T& t) { return (t.*member) ? child.write(*(t.*member)) : nullptr; });
  }

  template <class C>
  Schema& list(std::string name, std::vector<C> T::*member, const Schema<C>& child, Need need,
               std::string doc) {
    auto info = field(std::move(name), FieldInfo::Type::list, need, std::move(doc));
    info.child = &child.info();
    return add(
        std::move(info),
        [member, &child](const YamlNode& n, const std::string& p, T& t) {
          expect_kind(n, YamlNode::Kind::sequence, p);
          (t.*member).clear();
          for (std::size_t i = 0; i < n.items.size(); ++i) {
            (t.*member).push_back(child.read(*n.items[i], p + "[" + std::to_string(i) + "]"));
          }
        },
        [member, &child](const T& t) -> YamlPtr {
          if ((t.*member).empty()) return nullptr;
          auto node = yaml_sequence();
          for (const C& item : t.*member) node->items.push_back(child.write(item));
          return node;
        });
  }

  /// A mapping from names to objects; the name is stored in C::name.
  template <class C>
  Schema& named_map(std::string name, std::vector<C> T::*member, const Schema<C>& child, Need need,
                    std::string doc) {
    auto info = field(std::move(name), FieldInfo::Type::named_map, need, std::move(doc));
    info.child = &child.info();
    return add(
        std::move(info),
        [member, &child](const YamlNode& n, const std::string& p, T& t) {
          expect_kind(n, YamlNode::Kind::mapping, p);
          (t.*member).clear();
          for (const auto& entry : n.entries) {
            C item = child.read(*entry.value, p + "." + entry.key);
            item.name = entry.key;
            (t.*member).push_back(std::move(item));
          }
        },
        [member, &child](const T& t) -> YamlPtr {
          if ((t.*member).empty()) return nullptr;
          auto node = yaml_mapping();
          for (const C& item : t.*member) {
            node->add(item.name, child.write(item));
          }
          return node;
        });
  }

  Schema& text_list(std::string name, std::vector<std::string> T::*member, std::string doc) {
    auto info = field(std::move(name), FieldInfo::Type::list, Need::optional, std::move(doc));
    info.element = FieldInfo::Type::text;
    return add(
        std::move(info),
        [member](const YamlNode& n, const std::string& p, T& t) {
          expect_kind(n, YamlNode::Kind::sequence, p);
          (t.*member).clear();
          for (const auto& item : n.items) (t.*member).push_back(scalar::text(*item, p));
        },
        [member](const T& t) -> YamlPtr {
          if ((t.*member).empty()) return nullptr;
          auto node = yaml_sequence();
          for (const auto& item : t.*member) node->items.push_back(yaml_scalar(item));
          return node;
        });
  }

  /// Anything else: `info` describes it, `read` and `write` do it (write may return null: omit).
  Schema& custom(
      FieldInfo info, Read read, Write write = [](const T&) { return YamlPtr(); }) {
    return add(std::move(info), std::move(read), std::move(write));
  }

  /// Runs after all fields of an object were read: checks across fields.
  Schema& check(std::function<void(const T&, const std::string& path)> check) {
    checks_.push_back(std::move(check));
    return *this;
  }

  /// Reads a mapping on top of `start`. With a start that is not the default (a `base`), required
  /// fields may be missing. Throws InputError.
  T read(const YamlNode& node, const std::string& path, T start = T{},
         bool complete = false) const {
    expect_kind(node, YamlNode::Kind::mapping, path.empty() ? info_.name : path);
    T result = std::move(start);
    result.places[""] = node.place;
    for (const auto& entry : node.entries) {
      if (!known(entry.key)) unknown_key(entry, path.empty() ? info_.name : path, info_);
      if (entry.value->kind == YamlNode::Kind::null) {
        throw InputError(entry.place, join_path(path, entry.key) + " has no value.");
      }
      result.places[entry.key] = entry.value->place;
    }
    // In the table's order, so that a field may rely on those before it.
    for (const Field& field : fields_) {
      const std::string& name = info_.fields[field.index].name;
      if (const auto* entry = node.find(name)) {
        field.read(*entry->value, join_path(path, name), result);
      }
    }
    for (const Field& field : fields_) {
      const FieldInfo& info = info_.fields[field.index];
      if (!complete && field.required && !node.find(info.name) &&
          (info.unless.empty() || !node.find(info.unless))) {
        throw InputError(node.place, (path.empty() ? info_.name : path) +
                                         " lacks the required key '" + info.name + "'.");
      }
    }
    for (const auto& check : checks_) check(result, path.empty() ? info_.name : path);
    return result;
  }

  /// The fields that differ from the defaults, as YAML.
  YamlPtr write(const T& value) const {
    auto node = yaml_mapping();
    const T defaults{};
    for (const Field& field : fields_) {
      const FieldInfo& info = info_.fields[field.index];
      YamlPtr written = field.write(value);
      if (!written) continue;
      const YamlPtr usual = field.write(defaults);
      if (!info.required && usual && equal(*written, *usual)) continue;
      node->add(info.name, std::move(written));
    }
    return node;
  }

  const SchemaInfo& info() const { return info_; }

  static std::string join_path(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }

 private:
  struct Field {
    std::size_t index;
    bool required;
    Read read;
    Write write;
  };

  static FieldInfo field(std::string name, FieldInfo::Type type, Need need, std::string doc) {
    FieldInfo info;
    info.name = std::move(name);
    info.type = type;
    info.required = need == Need::required;
    info.doc = std::move(doc);
    return info;
  }
  static bool equal(const YamlNode& a, const YamlNode& b) {
    return to_yaml_value(a) == to_yaml_value(b);
  }
  static std::string to_yaml_value(const YamlNode& node) {
    return node.kind == YamlNode::Kind::scalar ? node.scalar : to_yaml(node);
  }
  static std::string number_text(double value);

  Schema& add(FieldInfo info, Read read, Write write) {
    if (!info.required && info.default_text.empty() && info.type != FieldInfo::Type::custom) {
      const YamlPtr usual = write(T{});
      if (usual && usual->kind == YamlNode::Kind::scalar) info.default_text = usual->scalar;
    }
    fields_.push_back({info_.fields.size(), info.required, std::move(read), std::move(write)});
    info_.fields.push_back(std::move(info));
    return *this;
  }
  bool known(const std::string& key) const {
    return std::any_of(info_.fields.begin(), info_.fields.end(),
                       [&](const FieldInfo& field) { return field.name == key; });
  }

  SchemaInfo info_;
  std::vector<Field> fields_;
  std::vector<std::function<void(const T&, const std::string&)>> checks_;
};

std::string shortest_number(double value);

template <class T>
std::string Schema<T>::number_text(double value) {
  return shortest_number(value);
}

}  // namespace tollgate
