#include "sim/operators/curve_set.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <tuple>

#include "sim/base/text.h"

namespace tollgate {
namespace {

constexpr double per_octave_outside = 1.2;
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

/// Place of the first wish met; their number where none is.
std::size_t met(std::span<const KernelWish> wishes, const FittedCurve& c) {
  std::size_t i = 0;
  while (i < wishes.size() && !wishes[i].meets(c.kernel)) ++i;
  return i;
}

TransferRule device_rule(const std::string& hardware, const std::string& device) {
  return same_architecture(hardware, device) ? TransferRule::device : TransferRule::architecture;
}

double distance(std::string_view a, std::string_view b) {
  const NumberFormat *x = find_number_format(a), *y = find_number_format(b);
  if (!x || !y) return a == b ? 0 : 1e9;
  return std::fabs(std::log2(x->weight_bytes / y->weight_bytes)) +
         (x->quantises == y->quantises ? 0 : 1);
}

/// The least of those that `fits` by `rank`; null if there is none.
template <class Fits, class Rank>
const FittedCurve* least(const DeviceCurves& device, const Fits& fits, const Rank& rank) {
  const FittedCurve* best = nullptr;
  for (const FittedCurve& c : device.curves) {
    if (fits(c) && (!best || rank(c) < rank(*best))) best = &c;
  }
  return best;
}

const FittedCurve* same_backend(const DeviceCurves& device, const OperatorKey& key,
                                std::span<const KernelWish> wishes) {
  return least(
      device,
      [&](const FittedCurve& c) {
        return c.op == key.op && c.backend == key.backend && c.precision == key.precision;
      },
      [&](const FittedCurve& c) {
        return std::make_tuple(met(wishes, c), wishes.empty() && !c.preferred, -c.rows);
      });
}

const FittedCurve* other_backend(const DeviceCurves& device, const OperatorKey& key,
                                 std::span<const KernelWish> wishes) {
  return least(
      device,
      [&](const FittedCurve& c) {
        return c.op == key.op && c.precision == key.precision && c.backend != key.backend &&
               (!wishes.empty() || c.preferred);
      },
      [&](const FittedCurve& c) { return std::make_tuple(met(wishes, c), -c.rows); });
}

const FittedCurve* other_precision(const DeviceCurves& device, const OperatorKey& key,
                                   std::span<const KernelWish> wishes) {
  return least(
      device,
      [&](const FittedCurve& c) {
        return c.op == key.op && c.precision != key.precision && (!wishes.empty() || c.preferred);
      },
      [&](const FittedCurve& c) {
        return std::make_tuple(met(wishes, c), distance(c.precision, key.precision),
                               c.backend != key.backend, -c.rows);
      });
}

void expect_known(const OperatorKey& key) {
  if (!find_curve(key.op)) throw InputError("there is no operator " + quote(key.op) + ".");
  if (!find_number_format(key.precision) && key.precision != bytes_precision) {
    throw InputError("precision " + quote(key.precision) + " is not a number format.");
  }
}

}  // namespace

bool KernelWish::meets(const std::string& kernel) const {
  const std::size_t dot = kernel.find('.');
  if (!tail.empty() && (dot == std::string::npos || kernel.substr(dot) != tail)) return false;
  if (!contains.empty() && kernel.find(contains) == std::string::npos) return false;
  return lacks.empty() || kernel.find(lacks) == std::string::npos;
}

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
    case TransferRule::architecture:
      return "architecture";
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
      return op.starts_with("dispatch") || op.starts_with("combine") ? 3 : 1.7;
    case TransferRule::precision:
      return 2;
    case TransferRule::device:
      return 1.15;
    case TransferRule::architecture:
      return 1.4;
    case TransferRule::start:
      return 3;
  }
  return 3;
}

Estimate CurveChoice::seconds(std::span<const double> shape) const {
  if (shape.size() != curve->columns().size()) {
    throw std::logic_error("the " + std::string(curve->op()) + " curve has " +
                           std::to_string(curve->columns().size()) + " columns, not " +
                           std::to_string(shape.size()) + ".");
  }
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
    : CurveSet(std::make_shared<CurveFiles>(library), hardware) {}
CurveSet::CurveSet(std::shared_ptr<CurveFiles> files, const HardwareSpec& hardware)
    : files_(std::move(files)), hardware_(hardware) {}

bool CurveSet::has_measurements() { return !files_->of(hardware_.name).curves.empty(); }

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
  out.source = fitted.source;
  if (rule == TransferRule::none) return out;
  widen(out.low, out.high, widen_by);
  out.note = key.op + ", " + key.backend + ", " + key.precision + ": not measured on " +
             hardware_.name + "; the curve of " + fitted.backend + ", " + fitted.precision +
             (fitted.kernel.empty() ? "" : ", " + fitted.kernel) +
             (device == hardware_.name ? "" : " on " + device) + " stands in.";
  return out;
}

CurveChoice CurveSet::find(const OperatorKey& key, bool strict) {
  if (key.kernel.empty()) return find(key, {}, strict);
  // A kernel's whole name.
  const DeviceCurves& own = files_->of(hardware_.name);
  for (const FittedCurve& c : own.curves) {
    if (c.key() == key) return choice(c, hardware_.name, key, 1, TransferRule::none);
  }
  OperatorKey any = key;
  any.kernel.clear();
  CurveChoice found = find(any, {}, false);
  if (found.rule == TransferRule::none) {
    const FittedCurve* c = same_backend(own, any, {});
    found = choice(*c, hardware_.name, key, widening(TransferRule::backend, key.op),
                   TransferRule::backend);
  }
  if (strict) throw InputError("--strict: " + found.note);
  return found;
}

CurveChoice CurveSet::find(const OperatorKey& key, std::span<const KernelWish> wishes,
                           bool strict) {
  expect_known(key);
  std::vector<std::string> devices = donors_of(hardware_.name);
  devices.insert(devices.begin(), hardware_.name);
  for (const std::string& device : devices) {
    const DeviceCurves& curves = files_->of(device);
    const bool own = device == hardware_.name;
    const auto take = [&](const FittedCurve& c, TransferRule rule) {
      const TransferRule from = own ? rule : device_rule(hardware_.name, device);
      const double more = own ? 1 : widening(from, key.op);
      return choice(c, device, key, widened(widening(rule, key.op), more), from);
    };
    CurveChoice found;
    if (const FittedCurve* c = same_backend(curves, key, wishes)) {
      const bool wished = wishes.empty() || wishes.front().meets(c->kernel);
      found = take(*c, wished ? TransferRule::none : TransferRule::backend);
    } else if (const FittedCurve* b = other_backend(curves, key, wishes)) {
      found = take(*b, TransferRule::backend);
    } else if (const FittedCurve* p = other_precision(curves, key, wishes)) {
      found = take(*p, TransferRule::precision);
    } else {
      continue;
    }
    if (strict && found.rule != TransferRule::none) throw InputError("--strict: " + found.note);
    return found;
  }
  CurveChoice assumed = start(key);
  if (strict) throw InputError("--strict: " + assumed.note);
  return assumed;
}

CurveChoice CurveSet::start(const OperatorKey& key) const {
  CurveChoice out;
  out.curve = find_curve(key.op);
  out.context = {device_of(hardware_), find_number_format(key.precision)};
  for (const CurveParameter& p : out.curve->parameters()) out.parameters.push_back(p.start);
  out.rule = TransferRule::start;
  widen(out.low, out.high, widening(TransferRule::start, key.op));
  out.note = key.op + ", " + key.backend + ", " + key.precision + ": not measured on " +
             hardware_.name + " nor on a device near it; assumed constants stand in.";
  return out;
}

std::optional<CurveChoice> CurveSet::from_device(const OperatorKey& key,
                                                 const std::string& device) {
  const DeviceCurves& curves = files_->of(device);
  const FittedCurve* c = nullptr;
  for (const FittedCurve& each : curves.curves) {
    if (each.key() == key) c = &each;
  }
  OperatorKey any = key;
  any.kernel.clear();
  if (!c) c = same_backend(curves, any, {});
  if (!c) return {};
  const TransferRule rule = device_rule(hardware_.name, device);
  const TransferRule kernel = c->kernel == key.kernel ? TransferRule::none : TransferRule::backend;
  return choice(*c, device, key, widened(widening(rule, key.op), widening(kernel, key.op)), rule);
}

std::optional<CurveChoice> CurveSet::by_rule(const OperatorKey& key, TransferRule rule) {
  if (rule == TransferRule::device) {
    for (const std::string& device : donors_of(hardware_.name)) {
      if (auto found = from_device(key, device)) return found;
    }
    return {};
  }
  const DeviceCurves& own = files_->of(hardware_.name);
  const FittedCurve* c = rule == TransferRule::backend     ? other_backend(own, key, {})
                         : rule == TransferRule::precision ? other_precision(own, key, {})
                                                           : nullptr;
  if (!c) return {};
  return choice(*c, hardware_.name, key, widening(rule, key.op), rule);
}

}  // namespace tollgate
