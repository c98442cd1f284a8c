#include "sim/spec/schema.h"

#include <charconv>
#include <cmath>

#include "sim/base/text.h"

namespace tollgate {
namespace {

const std::string& expect_scalar(const YamlNode& node, const std::string& path,
                                 std::string_view wanted) {
  if (node.kind != YamlNode::Kind::scalar) {
    throw InputError(node.place, path + " must be " + std::string(wanted) + ", but is " +
                                     std::string(describe(node.kind)) + ".");
  }
  return node.scalar;
}

void check_range(double value, const std::string& shown, const YamlNode& node,
                 const std::string& path, const Range& range) {
  constexpr double too_large = 1e24, too_small = 1e-15;
  const double size = std::fabs(value);
  if (size > too_large || (value != 0 && size < too_small)) {
    throw InputError(node.place, path + " is " + shown + ", which is too " +
                                     (size > too_large ? "large" : "small") + " to be meant.");
  }
  const bool low_ok = range.above ? value > range.low : value >= range.low;
  if (low_ok && value <= range.high) return;
  throw InputError(node.place, path + " is " + shown + ", but must be " + describe(range) + ".");
}

}  // namespace

std::string describe(const Range& range) {
  const bool has_low = range.low > -unbounded;
  const bool has_high = range.high < unbounded;
  if (has_low && range.above && has_high) {
    return "above " + shortest(range.low) + " and at most " + shortest(range.high);
  }
  if (has_low && has_high) return shortest(range.low) + " to " + shortest(range.high);
  if (has_low) return (range.above ? "above " : "at least ") + shortest(range.low);
  if (has_high) return "at most " + shortest(range.high);
  return "";
}

void expect_kind(const YamlNode& node, YamlNode::Kind kind, const std::string& path) {
  if (node.kind == kind) return;
  throw InputError(
      node.place, path + " must be " + std::string(describe(kind)) + ", but is " +
                      std::string(describe(node.kind)) +
                      (node.kind == YamlNode::Kind::scalar ? " (" + quote(node.scalar) + ")" : "") +
                      ".");
}

void unknown_key(const YamlNode::Entry& entry, const std::string& path, const SchemaInfo& info) {
  std::vector<std::string> names;
  for (const FieldInfo& field : info.fields) names.push_back(field.name);
  std::string hint = did_you_mean(entry.key, names);
  if (hint.empty()) hint = " Known keys: " + join(names) + ".";
  throw InputError(entry.place, path + " has no key " + quote(entry.key) + "." + hint);
}

std::string shortest_number(double value) { return shortest(value); }

namespace scalar {

std::string text(const YamlNode& node, const std::string& path) {
  const std::string& value = expect_scalar(node, path, "text");
  if (value.empty()) throw InputError(node.place, path + " is empty.");
  if (value.size() > 4000) throw InputError(node.place, path + " is longer than 4000 characters.");
  return value;
}

long long integer(const YamlNode& node, const std::string& path, const Range& range) {
  const std::string& value = expect_scalar(node, path, "a whole number");
  const std::size_t sign = !value.empty() && value[0] == '-' ? 1 : 0;
  const bool leading_zero = value.size() > sign + 1 && value[sign] == '0';
  long long number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (!node.plain || leading_zero || error != std::errc() || end != value.data() + value.size()) {
    throw InputError(node.place, path + " must be a whole number, but is " + quote(value) + ".");
  }
  check_range(static_cast<double>(number), value, node, path, range);
  return number;
}

double number(const YamlNode& node, const std::string& path, const Range& range) {
  const std::string& value = expect_scalar(node, path, "a number");
  const auto number = node.plain ? parse_number(value) : std::nullopt;
  if (!number) {
    throw InputError(node.place, path + " must be a number, but is " + quote(value) + ".");
  }
  check_range(*number, value, node, path, range);
  return *number;
}

double quantity(const YamlNode& node, const std::string& path, Dimension dimension,
                const Range& range) {
  const std::string& value = expect_scalar(node, path, "a number with a unit");
  std::string why;
  const auto si = parse_quantity(value, dimension, &why);
  if (!si)
    throw InputError(node.place,
                     path + ": " + why + (why.back() == '?' || why.back() == '.' ? "" : "."));
  check_range(*si, value, node, path, range);
  return *si;
}

bool boolean(const YamlNode& node, const std::string& path) {
  const std::string& value = expect_scalar(node, path, "true or false");
  if (value == "true") return true;
  if (value == "false") return false;
  throw InputError(node.place, path + " must be true or false, but is " + quote(value) + ".");
}

std::size_t choice(const YamlNode& node, const std::string& path,
                   const std::vector<std::string>& choices) {
  const std::string& value = expect_scalar(node, path, "one of " + join(choices));
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i] == value) return i;
  }
  throw InputError(node.place, path + " must be one of " + join(choices) + ", but is " +
                                   quote(value) + "." + did_you_mean(value, choices));
}

}  // namespace scalar
}  // namespace tollgate
