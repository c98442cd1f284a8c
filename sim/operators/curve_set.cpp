#include "sim/operators/curve_set.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <tuple>

#include "sim/base/text.h"
#include "sim/operators/attention_kernels.h"
#include "sim/operators/transfer.h"

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

/// How far two kernels are from each other by their names ("fa3.d128.mha", ".d128.mha" behind the
/// library): of another library, of another engine, another one of that library, and in letters
/// that do not begin alike. An engine passes its arguments on; the library decides the time.
auto unlike(const FittedCurve& c, const OperatorKey& key) {
  const auto tail = [](std::string_view name) {
    return name.substr(std::min(name.size(), name.find('.')));
  };
  std::size_t alike = 0;
  while (alike < std::min(c.kernel.size(), key.kernel.size()) &&
         c.kernel[alike] == key.kernel[alike]) {
    ++alike;
  }
  return std::make_tuple(kernel_library(c.kernel) != kernel_library(key.kernel),
                         c.backend != key.backend, tail(c.kernel) != tail(key.kernel),
                         -static_cast<int>(alike), !c.preferred, -c.rows);
}

/// A whole module is many kernels, and which ones the engine decides more than the device.
bool of_software(std::string_view op) { return op.ends_with("_module"); }

/// The kernel inside a module whose constants, of the same names, say how it goes about its work
/// and not how much of a peak it reaches: decode either splits a sequence over the processors or
/// walks it on one, 4 ns a position with wgmma and 90 with mma.sync. "" for others.
std::string_view kernel_inside(std::string_view op) {
  return op == "mla_decode_module" ? "mla_decode" : "";
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
  e.value = value(shape.data());
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

double CurveChoice::value(const double* shape) const {
  const double first = curve->seconds(shape, context, parameters.data());
  if (others.empty()) return first;
  double sum = std::log(first);
  for (const auto& p : others) sum += std::log(curve->seconds(shape, context, p.data()));
  return std::exp(sum / static_cast<double>(1 + others.size()));
}

double CurveChoice::parameter(std::string_view name) const {
  const auto all = curve->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (all[i].name != name) continue;
    double product = parameters[i];
    for (const auto& p : others) product *= p[i];
    return others.empty() ? product : std::pow(product, 1 / static_cast<double>(1 + others.size()));
  }
  return 0;
}

CurveSet::CurveSet(Library& library, const HardwareSpec& hardware)
    : CurveSet(std::make_shared<CurveFiles>(library), hardware) {}
CurveSet::CurveSet(std::shared_ptr<CurveFiles> files, const HardwareSpec& hardware)
    : files_(std::move(files)), hardware_(hardware) {}

bool CurveSet::has_measurements() { return !files_->of(hardware_.name).curves.empty(); }

const DeviceCurves& CurveSet::curves_of(const std::string& device) const {
  return device == hardware_.name ? files_->of(device) : files_->lent(device);
}

CurveChoice CurveSet::choice(const FittedCurve& fitted, const std::string& device,
                             const OperatorKey& key, double widen_by, TransferRule rule) const {
  CurveChoice out;
  out.curve = &fitted.curve();
  out.context = {device_of(hardware_), find_number_format(key.precision)};
  out.parameters = device == hardware_.name
                       ? fitted.parameters
                       : carried(fitted, out.context.format, files_->hardware(device), hardware_);
  std::string growth;
  if (growth_is_open(fitted)) growth = complete(fitted, device, key, out.parameters);
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
             (device == hardware_.name ? "" : " on " + device) + " stands in." + growth;
  return out;
}

std::string CurveSet::complete(const FittedCurve& fitted, const std::string& device,
                               const OperatorKey& key, std::vector<double>& parameters) const {
  // Any kind of link: gains and hops are what is wanted, not its bandwidth.
  std::vector<std::string> names = donors(key.op);
  for (const std::string& name : donors_of(hardware_.name)) names.push_back(name);
  for (const std::string& name : names) {
    if (name == device) continue;
    const bool same_link = link_kind(files_->hardware(name)) == link_kind(hardware_);
    // Without a switch the engines' own all-reduces are for two ranks; more take NCCL's ring.
    const std::string_view backend = same_link ? std::string_view(fitted.backend) : "nccl";
    const FittedCurve* c = least(
        curves_of(name), [&](const FittedCurve& x) { return x.op == key.op && !growth_is_open(x); },
        [&](const FittedCurve& x) {
          return std::make_tuple(x.backend != backend, x.precision != fitted.precision, -x.rows);
        });
    if (!c) continue;
    const auto theirs =
        carried(*c, find_number_format(key.precision), files_->hardware(name), hardware_);
    take_growth(fitted.curve(), theirs, parameters);
    if (!same_link) cross_host(fitted, hardware_, parameters);
    return " What more than " + shortest(fitted.highest.front()) + " ranks add is from " + name +
           ".";
  }
  return "";
}

void CurveSet::take_kernel(const OperatorKey& key, const std::string& from, bool left_out,
                           CurveChoice& module) const {
  const std::string_view kernel = kernel_inside(key.op);
  if (kernel.empty() || same_instructions(hardware_.name, from)) return;
  // "default.fp8": behind the dot the format of products and cache.
  const std::string_view format = std::string_view(key.kernel).substr(key.kernel.find('.') + 1);
  std::vector<std::string> names = donors_of(hardware_.name);
  if (!left_out) names.insert(names.begin(), hardware_.name);
  for (const std::string& name : names) {
    if (!same_instructions(hardware_.name, name)) continue;
    const FittedCurve* c = least(
        curves_of(name), [&](const FittedCurve& x) { return x.op == kernel; },
        [&](const FittedCurve& x) {
          return std::make_tuple(x.backend != key.backend, x.precision != format, -x.rows);
        });
    if (!c) continue;
    const auto theirs =
        carried(*c, find_number_format(c->precision), files_->hardware(name), hardware_);
    const auto inside = c->curve().parameters(), all = module.curve->parameters();
    for (std::size_t i = 0; i < inside.size(); ++i) {
      for (std::size_t j = 0; j < all.size(); ++j) {
        if (all[j].name == inside[i].name && all[j].name != "launch") {
          module.parameters[j] = std::clamp(theirs[i], all[j].low, all[j].high);
        }
      }
    }
    module.note += " Its attention is that of " + c->backend + " on " + name + ".";
    return;
  }
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

std::vector<std::string> CurveSet::donors(std::string_view op) const {
  std::vector<std::string> names = donors_of(hardware_.name), alike;
  if (!passes_link(op)) return names;
  bool measured = false;
  for (const std::string& name : names) {
    if (link_kind(files_->hardware(name)) != link_kind(hardware_)) continue;
    alike.push_back(name);
    for (const FittedCurve& c : curves_of(name).curves) measured = measured || c.op == op;
  }
  return measured ? alike : names;
}

template <class Choose>
std::optional<CurveChoice> CurveSet::from_donors(std::string_view op, const Choose& choose) const {
  constexpr std::size_t most = 3;
  std::vector<std::string> taken;
  std::optional<CurveChoice> mean;
  double low = 0, high = 0;
  for (const std::string& device : donors(op)) {
    const auto alike = [&](const std::string& t) { return same_architecture(t, device); };
    if (std::any_of(taken.begin(), taken.end(), alike)) continue;
    // What crosses a link is copied, whatever the tensor cores are.
    const bool other_kernels = !passes_link(op) && !same_instructions(hardware_.name, device);
    if (mean && same_instructions(hardware_.name, taken.front()) && other_kernels) continue;
    std::optional<CurveChoice> found = choose(device);
    if (!found) continue;
    taken.push_back(device);
    low += std::log(found->low);
    high += std::log(found->high);
    if (!mean) {
      mean = std::move(found);
      if (close_relatives(hardware_.name, device)) return mean;
    } else {
      mean->others.push_back(std::move(found->parameters));
      mean->note += " Mean with: " + found->note;
    }
    if (taken.size() == most) break;
  }
  if (mean) {
    mean->low = std::exp(low / static_cast<double>(taken.size()));
    mean->high = std::exp(high / static_cast<double>(taken.size()));
  }
  return mean;
}

CurveChoice CurveSet::find(const OperatorKey& key, std::span<const KernelWish> wishes,
                           bool strict) {
  expect_known(key);
  const auto take = [&](const FittedCurve* c, const std::string& device,
                        TransferRule rule) -> std::optional<CurveChoice> {
    if (!c) return {};
    const bool own = device == hardware_.name;
    const TransferRule from = own ? rule : device_rule(hardware_.name, device);
    const double more = own ? 1 : widening(from, key.op);
    CurveChoice found = choice(*c, device, key, widened(widening(rule, key.op), more), from);
    take_kernel({key.op, key.backend, key.precision, c->kernel}, device, false, found);
    return found;
  };
  const auto exactly = [&](const std::string& device) {
    const FittedCurve* c = same_backend(curves_of(device), key, wishes);
    const bool wished = c && (wishes.empty() || wishes.front().meets(c->kernel));
    return take(c, device, wished ? TransferRule::none : TransferRule::backend);
  };
  const auto by_backend = [&](const std::string& device) {
    return take(other_backend(curves_of(device), key, wishes), device, TransferRule::backend);
  };
  const auto by_precision = [&](const std::string& device) {
    return take(other_precision(curves_of(device), key, wishes), device, TransferRule::precision);
  };
  std::optional<CurveChoice> found = exactly(hardware_.name);
  if (found && found->rule != TransferRule::none) {
    // The kernel that is asked for, measured on the same architecture, is nearer than another one
    // measured here.
    for (const std::string& device : donors(key.op)) {
      if (!same_architecture(hardware_.name, device)) continue;
      const FittedCurve* c = same_backend(curves_of(device), key, wishes);
      if (!c || !wishes.front().meets(c->kernel)) continue;
      found = take(c, device, TransferRule::none);
      break;
    }
    // Otherwise the same kernel under another engine, where its name is given.
    if (found->rule != TransferRule::device && !wishes.front().contains.empty()) {
      const FittedCurve* c = other_backend(files_->of(hardware_.name), key, wishes);
      if (c && wishes.front().meets(c->kernel)) {
        found = take(c, hardware_.name, TransferRule::backend);
      }
    }
  }
  if (!found) found = by_backend(hardware_.name);
  if (!found) found = by_precision(hardware_.name);
  if (!found && of_software(key.op)) found = from_donors(key.op, exactly);
  if (!found) {
    found = from_donors(key.op, [&](const std::string& device) {
      const auto same = exactly(device);
      return same ? same : by_backend(device);
    });
  }
  if (!found) found = from_donors(key.op, by_precision);
  if (!found) found = start(key);
  if (strict && found->rule != TransferRule::none) throw InputError("--strict: " + found->note);
  return std::move(*found);
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
  const FittedCurve* c = least(
      curves_of(device),
      [&](const FittedCurve& x) { return x.op == key.op && x.precision == key.precision; },
      [&](const FittedCurve& x) { return unlike(x, key); });
  if (!c) return {};
  const TransferRule rule = device_rule(hardware_.name, device);
  const TransferRule kernel = c->kernel == key.kernel ? TransferRule::none : TransferRule::backend;
  CurveChoice found =
      choice(*c, device, key, widened(widening(rule, key.op), widening(kernel, key.op)), rule);
  take_kernel(key, device, true, found);
  return found;
}

std::optional<CurveChoice> CurveSet::by_rule(const OperatorKey& key, TransferRule rule) {
  if (rule == TransferRule::device) {
    const auto any = [&](const std::string& device) { return from_device(key, device); };
    const auto same = [&](const std::string& device) -> std::optional<CurveChoice> {
      const auto& curves = curves_of(device).curves;
      const bool has = std::any_of(curves.begin(), curves.end(), [&](const FittedCurve& c) {
        return c.op == key.op && c.backend == key.backend && c.precision == key.precision;
      });
      return has ? from_device(key, device) : std::nullopt;
    };
    std::optional<CurveChoice> found;
    if (of_software(key.op)) found = from_donors(key.op, same);
    return found ? found : from_donors(key.op, any);
  }
  const DeviceCurves& own = files_->of(hardware_.name);
  const FittedCurve* c = rule == TransferRule::backend     ? other_backend(own, key, {})
                         : rule == TransferRule::precision ? other_precision(own, key, {})
                                                           : nullptr;
  if (!c) return {};
  return choice(*c, hardware_.name, key, widening(rule, key.op), rule);
}

}  // namespace tollgate
