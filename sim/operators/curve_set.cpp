#include "sim/operators/curve_set.h"

#include <algorithm>
#include <cmath>

#include "sim/base/text.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

constexpr double per_octave_outside = 1.1;
constexpr double most_outside = 2;

double widened(double factor, double by) {
  const double a = std::log(factor), b = std::log(by);
  return std::exp(std::copysign(std::sqrt(a * a + b * b), a == 0 ? 1 : a));
}

void widen(double& low, double& high, double by) {
  low = 1 / widened(1 / std::min(1.0, low), by);
  high = widened(std::max(1.0, high), by);
}

/// Doublings that the worst column lies outside the data.
double octaves_outside(const CurveChoice& choice, std::span<const double> shape) {
  double worst = 0;
  const std::size_t sizes = std::min(choice.lowest.size(), choice.curve->sizes());
  for (std::size_t i = 0; i < sizes; ++i) {
    const double x = std::max(shape[i], 1e-9);
    if (shape[i] < choice.lowest[i]) worst = std::max(worst, std::log2(choice.lowest[i] / x));
    if (shape[i] > choice.highest[i]) {
      worst = std::max(worst, std::log2(x / std::max(choice.highest[i], 1e-9)));
    }
  }
  return worst;
}

double distance(std::string_view a, std::string_view b) {
  const NumberFormat *x = find_number_format(a), *y = find_number_format(b);
  if (!x || !y) return a == b ? 0 : 1e9;
  return std::fabs(std::log2(x->weight_bytes / y->weight_bytes)) +
         (x->quantises == y->quantises ? 0 : 1);
}

}  // namespace

std::string_view to_string(TransferRule rule) {
  switch (rule) {
    case TransferRule::none:
      return "none";
    case TransferRule::backend:
      return "backend";
    case TransferRule::precision:
      return "precision";
    case TransferRule::device:
      return "device";
    case TransferRule::start:
      return "start";
  }
  return "";
}

double widening(TransferRule rule, std::string_view op) {
  // Measured: the P90 factor that each rule adds on measured devices (docs/method.md, section 4).
  switch (rule) {
    case TransferRule::none:
      return 1;
    case TransferRule::backend:
      return op.starts_with("dispatch") || op.starts_with("combine") ? 3 : 1.6;
    case TransferRule::precision:
      return 1.6;
    case TransferRule::device:
      return 1.4;
    case TransferRule::start:
      return 3;
  }
  return 3;
}

Estimate CurveChoice::seconds(std::span<const double> shape) const {
  Estimate e;
  e.value = curve->seconds(shape.data(), context, parameters.data());
  double from = low, to = high;
  const double outside = octaves_outside(*this, shape);
  e.provenance = rule == TransferRule::none ? Provenance::fitted : Provenance::assumed;
  if (outside > 0) {
    e.provenance = worst(e.provenance, Provenance::extrapolated);
    widen(from, to, std::min(most_outside, std::pow(per_octave_outside, outside)));
  }
  e.low = e.value * std::min(1.0, from);
  e.high = e.value * std::max(1.0, to);
  return e;
}

CurveSet::CurveSet(Library& library, const HardwareSpec& hardware)
    : library_(library), hardware_(hardware) {}

bool CurveSet::has_measurements() { return !curves_of(hardware_.name).curves.empty(); }

const DeviceCurves& CurveSet::curves_of(const std::string& device) {
  const auto found = read_.find(device);
  if (found != read_.end()) return found->second;
  DeviceCurves curves;
  if (const YamlPtr tree = library_.operator_curves(device)) {
    curves = device_curves_schema().read(*tree, "");
  }
  return read_.emplace(device, std::move(curves)).first->second;
}

const FittedCurve* CurveSet::exact(const DeviceCurves& device, const OperatorKey& key) const {
  const FittedCurve* best = nullptr;
  for (const FittedCurve& c : device.curves) {
    if (c.op != key.op || c.backend != key.backend || c.precision != key.precision) continue;
    if (!key.kernel.empty() && c.kernel == key.kernel) return &c;
    if (!best || c.preferred) best = &c;
  }
  return best;
}

const FittedCurve* CurveSet::other_backend(const DeviceCurves& device,
                                           const OperatorKey& key) const {
  const FittedCurve* best = nullptr;
  for (const FittedCurve& c : device.curves) {
    if (c.op != key.op || c.precision != key.precision || c.backend == key.backend) continue;
    if (c.preferred && (!best || c.rows > best->rows)) best = &c;
  }
  return best;
}

const FittedCurve* CurveSet::other_precision(const DeviceCurves& device,
                                             const OperatorKey& key) const {
  const FittedCurve* best = nullptr;
  const auto rank = [&](const FittedCurve& c) {
    return std::make_tuple(distance(c.precision, key.precision), c.backend != key.backend, -c.rows);
  };
  for (const FittedCurve& c : device.curves) {
    if (c.op != key.op || c.precision == key.precision || !c.preferred) continue;
    if (!best || rank(c) < rank(*best)) best = &c;
  }
  return best;
}

CurveChoice CurveSet::choice(const FittedCurve& fitted, const std::string& device,
                             const OperatorKey& key, double widen_by, TransferRule rule) const {
  CurveChoice out;
  out.curve = &fitted.curve();
  out.context = {device_of(hardware_), find_number_format(key.precision)};
  out.parameters = fitted.parameters;
  out.lowest = fitted.lowest;
  out.highest = fitted.highest;
  out.low = fitted.low;
  out.high = fitted.high;
  out.rule = rule;
  if (rule == TransferRule::none) return out;
  widen(out.low, out.high, widen_by);
  out.note = key.op + ", " + key.backend + ", " + key.precision + ": not measured on " +
             hardware_.name + "; the curve of " + fitted.backend + ", " + fitted.precision +
             (device == hardware_.name ? "" : " on " + device) + " stands in.";
  return out;
}

CurveChoice CurveSet::find(const OperatorKey& key, bool strict) {
  const OperatorCurve* curve = find_curve(key.op);
  if (!curve) throw InputError("there is no operator " + quote(key.op) + ".");
  if (!find_number_format(key.precision) && key.precision != bytes_precision) {
    throw InputError("precision " + quote(key.precision) + " is not a number format.");
  }
  const auto by_device = widening(TransferRule::device, key.op);
  std::vector<std::string> devices = donors_of(hardware_.name);
  devices.insert(devices.begin(), hardware_.name);
  for (const std::string& device : devices) {
    const DeviceCurves& curves = curves_of(device);
    const bool own = device == hardware_.name;
    const auto take = [&](const FittedCurve& c, TransferRule rule) {
      const double more = own ? 1 : by_device;
      const double factor = widened(widening(rule, key.op), more);
      return choice(c, device, key, own ? widening(rule, key.op) : factor,
                    own ? rule : TransferRule::device);
    };
    CurveChoice found;
    if (const FittedCurve* c = exact(curves, key)) {
      const bool same = key.kernel.empty() || c->kernel == key.kernel;
      found = take(*c, same ? TransferRule::none : TransferRule::backend);
    } else if (const FittedCurve* b = other_backend(curves, key)) {
      found = take(*b, TransferRule::backend);
    } else if (const FittedCurve* p = other_precision(curves, key)) {
      found = take(*p, TransferRule::precision);
    } else {
      continue;
    }
    if (strict && found.rule != TransferRule::none) throw InputError("--strict: " + found.note);
    return found;
  }
  CurveChoice start;
  start.curve = curve;
  start.context = {device_of(hardware_), find_number_format(key.precision)};
  for (const CurveParameter& p : curve->parameters()) start.parameters.push_back(p.start);
  start.rule = TransferRule::start;
  widen(start.low, start.high, widening(TransferRule::start, key.op));
  start.note = key.op + ", " + key.backend + ", " + key.precision + ": not measured on " +
               hardware_.name + " nor on a device near it; assumed constants stand in.";
  if (strict) throw InputError("--strict: " + start.note);
  return start;
}

std::optional<CurveChoice> CurveSet::from_device(const OperatorKey& key,
                                                 const std::string& device) {
  const FittedCurve* c = exact(curves_of(device), key);
  if (!c || c->kernel != key.kernel) return {};
  return choice(*c, device, key, widening(TransferRule::device, key.op), TransferRule::device);
}

std::optional<CurveChoice> CurveSet::by_rule(const OperatorKey& key, TransferRule rule) {
  if (rule == TransferRule::device) {
    for (const std::string& device : donors_of(hardware_.name)) {
      if (auto found = from_device(key, device)) return found;
    }
    return {};
  }
  const DeviceCurves& own = curves_of(hardware_.name);
  const FittedCurve* c = rule == TransferRule::backend     ? other_backend(own, key)
                         : rule == TransferRule::precision ? other_precision(own, key)
                                                           : nullptr;
  if (!c) return {};
  return choice(*c, hardware_.name, key, widening(rule, key.op), rule);
}

}  // namespace tollgate
