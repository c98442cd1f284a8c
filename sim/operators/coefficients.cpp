#include "sim/operators/coefficients.h"

#include <stdexcept>

#include "sim/base/text.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;

const OperatorCurve& curve_of(const FittedCurve& fitted, const Place& place) {
  const OperatorCurve* curve = find_curve(fitted.op);
  if (curve) return *curve;
  std::vector<std::string> known;
  for (const OperatorCurve* c : operator_curves()) known.emplace_back(c->op());
  throw InputError(
      place, "there is no operator " + quote(fitted.op) + "." + did_you_mean(fitted.op, known));
}

std::string parameter_text(const CurveParameter& parameter, double value) {
  if (parameter.unit == "s") return format_quantity(value, Dimension::seconds);
  if (parameter.unit == "bytes/s") return format_quantity(value, Dimension::bytes_per_second);
  if (parameter.unit == "FLOP/s") return format_quantity(value, Dimension::flops_per_second);
  return shortest(value);
}

double read_parameter(const CurveParameter& parameter, const YamlNode& node,
                      const std::string& path) {
  // A limit that the fit ran into may differ in the seventh digit.
  const Range range{parameter.low * (1 - 1e-5), parameter.high * (1 + 1e-5)};
  if (parameter.unit == "s") return scalar::quantity(node, path, Dimension::seconds, range);
  if (parameter.unit == "bytes/s") {
    return scalar::quantity(node, path, Dimension::bytes_per_second, range);
  }
  if (parameter.unit == "FLOP/s") {
    return scalar::quantity(node, path, Dimension::flops_per_second, range);
  }
  return scalar::number(node, path, range);
}

void read_parameters(const YamlNode& node, const std::string& path, FittedCurve& out) {
  expect_kind(node, YamlNode::Kind::mapping, path);
  const OperatorCurve& curve = curve_of(out, node.place);
  out.parameters.clear();
  for (const CurveParameter& parameter : curve.parameters()) {
    const YamlNode::Entry* entry = node.find(parameter.name);
    if (!entry) {
      throw InputError(node.place, path + " lacks " + std::string(parameter.name) +
                                       ", a parameter of the " + out.op + " curve.");
    }
    out.parameters.push_back(
        read_parameter(parameter, *entry->value, path + "." + std::string(parameter.name)));
  }
  if (node.entries.size() == out.parameters.size()) return;
  for (const YamlNode::Entry& entry : node.entries) {
    bool known = false;
    for (const CurveParameter& p : curve.parameters()) known = known || p.name == entry.key;
    if (!known) {
      throw InputError(entry.place,
                       "the " + out.op + " curve has no parameter " + quote(entry.key) + ".");
    }
  }
}

YamlPtr write_parameters(const FittedCurve& fitted) {
  auto node = yaml_mapping();
  if (!find_curve(fitted.op)) return node;
  const auto parameters = fitted.curve().parameters();
  for (std::size_t i = 0; i < fitted.parameters.size(); ++i) {
    node->add(std::string(parameters[i].name),
              yaml_scalar(parameter_text(parameters[i], fitted.parameters[i])));
  }
  return node;
}

void read_ranges(const YamlNode& node, const std::string& path, FittedCurve& out) {
  expect_kind(node, YamlNode::Kind::mapping, path);
  const OperatorCurve& curve = curve_of(out, node.place);
  out.lowest.clear();
  out.highest.clear();
  for (const std::string_view column : curve.columns()) {
    const YamlNode::Entry* entry = node.find(column);
    const std::string name = path + "." + std::string(column);
    if (!entry) throw InputError(node.place, name + " is missing.");
    expect_kind(*entry->value, YamlNode::Kind::sequence, name);
    if (entry->value->items.size() != 2) {
      throw InputError(entry->place, name + " must be a list of two numbers, lowest and highest.");
    }
    out.lowest.push_back(scalar::number(*entry->value->items[0], name, not_negative));
    out.highest.push_back(
        scalar::number(*entry->value->items[1], name, Range{out.lowest.back(), unbounded}));
  }
  if (node.entries.size() != curve.columns().size()) {
    throw InputError(node.place, path + " has columns that the " + out.op + " curve has not.");
  }
}

YamlPtr write_ranges(const FittedCurve& fitted) {
  auto node = yaml_mapping();
  if (!find_curve(fitted.op)) return node;
  const auto columns = fitted.curve().columns();
  for (std::size_t i = 0; i < fitted.lowest.size(); ++i) {
    auto pair = yaml_sequence();
    pair->items.push_back(yaml_scalar(shortest(fitted.lowest[i])));
    pair->items.push_back(yaml_scalar(shortest(fitted.highest[i])));
    node->add(std::string(columns[i]), std::move(pair));
  }
  return node;
}

FieldInfo custom_field(std::string name, std::string doc) {
  FieldInfo info;
  info.name = std::move(name);
  info.type = FieldInfo::Type::custom;
  info.doc = std::move(doc);
  info.required = true;
  return info;
}

const Schema<FittedCurve>& fitted_curve_schema() {
  static const auto schema =
      Schema<FittedCurve>("operator curve", "A curve fitted to measurements of one operator.")
          .text("op", &FittedCurve::op, required, "Operator; `tollgate list operators` names all.")
          .text("backend", &FittedCurve::backend, required, "Engine or library that was measured.")
          .text("version", &FittedCurve::version, optional, "Its version.")
          .text("precision", &FittedCurve::precision, required,
                "Number format, or bytes where data is only moved.")
          .text("kernel", &FittedCurve::kernel, optional, "Kernel among those of the backend.")
          .boolean("preferred", &FittedCurve::preferred, optional,
                   "Taken where no kernel is named: the one with most measurements.")
          .custom(custom_field("parameters", "Constants of the curve, with their units."),
                  read_parameters, write_parameters)
          .custom(custom_field("range",
                               "Lowest and highest of each column in the data; outside "
                               "the curve is extrapolated."),
                  read_ranges, write_ranges)
          .number("rows", &FittedCurve::rows, required, positive, "Measurements in the tables.")
          .number("fitted", &FittedCurve::fitted, required, positive, "Shapes that were fitted.")
          .number("held_out", &FittedCurve::held_out, optional, not_negative,
                  "Shapes that were not, by their hash.")
          .number("median_ape", &FittedCurve::median_ape, required, not_negative,
                  "Median of |predicted / measured - 1| on the held-out shapes.")
          .number("p90_ape", &FittedCurve::p90_ape, required, not_negative, "Its 90th percentile.")
          .number("coverage", &FittedCurve::coverage, optional, fraction,
                  "Share of held-out shapes inside the band.")
          .number("low", &FittedCurve::low, required, positive,
                  "P10 of measured / predicted on shapes the fit did not see.")
          .number("high", &FittedCurve::high, required, positive, "P90 of the same.")
          .text("source", &FittedCurve::source, required, "Where the measurements come from.")
          .text("date", &FittedCurve::date, required, "ISO date of the fit.")
          .check([](const FittedCurve& c, const std::string& path) {
            if (c.low > c.high) {
              throw InputError(place_of(c.places, "low"), path + ".low is above its high.");
            }
            if (!find_number_format(c.precision) && c.precision != bytes_precision) {
              throw InputError(place_of(c.places, "precision"),
                               path + ".precision is no number format.");
            }
          });
  return schema;
}

}  // namespace

const OperatorCurve& FittedCurve::curve() const {
  const OperatorCurve* found = find_curve(op);
  if (!found) throw std::logic_error("unknown operator " + op);
  return *found;
}

double rounded(double value) { return parse_number(significant(value, 6)).value_or(value); }

const Schema<DeviceCurves>& device_curves_schema() {
  static const auto schema =
      Schema<DeviceCurves>("operators", "Fitted operator curves of one accelerator.")
          .text("name", &DeviceCurves::name, required, "Name of the models/hardware entry.")
          .list("curves", &DeviceCurves::curves, fitted_curve_schema(), required,
                "One per operator, backend, precision and kernel.");
  return schema;
}

std::string to_text(const DeviceCurves& curves) {
  return "schema_version: 1\n" + to_yaml(*device_curves_schema().write(curves));
}

}  // namespace tollgate
