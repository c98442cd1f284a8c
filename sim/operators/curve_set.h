#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/estimate.h"
#include "sim/operators/curve_files.h"

namespace tollgate {

/// How a curve came to a device that has no measurement of its own, best first.
enum class TransferRule {
  none,          ///< fitted on this device
  backend,       ///< another backend on this device
  precision,     ///< another number format on this device, its shares on this format's peak
  device,        ///< another device of the same architecture, its shares on this datasheet
  architecture,  ///< the same of another architecture
  start,         ///< no measurement anywhere: the curve's starting constants
};
std::string_view to_string(TransferRule rule);

/// Factor by which a rule widens the P10-P90 band of an operator (in quadrature, in logarithms).
double widening(TransferRule rule, std::string_view op);

/// A curve with the constants and the device it is asked for.
struct CurveChoice {
  const OperatorCurve* curve = nullptr;
  CurveContext context;
  std::vector<double> parameters;
  std::vector<double> lowest, highest;  ///< of each column in the data; empty without data
  double low = 1, high = 1;             ///< the band, widened
  TransferRule rule = TransferRule::none;
  std::string note;    ///< empty, or a sentence that says what stands in for what
  std::string source;  ///< of the measurements; empty without

  /// Seconds of one call with band and provenance: fitted; extrapolated where a column lies outside
  /// the data, with the band widened by 1.2 per doubling outside, at most 2; assumed under any
  /// transfer rule.
  Estimate seconds(std::span<const double> shape) const;
};

/// Kernels that will do. Operator tables name a kernel after its library, from the first dot on
/// what tells kernels of a library apart ("fa3.d128.window").
struct KernelWish {
  std::string tail;      ///< what follows the library's name, ".d128.window"; empty: anything
  std::string contains;  ///< part of the name
  std::string lacks;     ///< not part of the name
  bool meets(const std::string& kernel) const;
};

/// The operator curves of one device, of the files in models/hardware/operators. Other devices are
/// read when a transfer needs them.
class CurveSet {
 public:
  CurveSet(Library& library, const HardwareSpec& hardware);
  CurveSet(std::shared_ptr<CurveFiles> files, const HardwareSpec& hardware);

  /// The curve of an operator. `kernel` empty: the preferred one. Where it was not measured, in
  /// this order: another kernel, another backend, another precision (nearest in bytes per weight),
  /// all on this device; the devices of donors_of() in their order, each exactly, by backend, by
  /// precision; the curve's start. With `strict` a transfer is an InputError. Throws InputError for
  /// an unknown operator or precision.
  CurveChoice find(const OperatorKey& key, bool strict = false);

  /// The same for kernels known by what they do: the first wish that a measured kernel meets, of
  /// those that meet it the one with most rows; kernels that meet none come last. All but the first
  /// wish count as another kernel. `key.kernel` is not read.
  CurveChoice find(const OperatorKey& key, std::span<const KernelWish> wishes, bool strict);

  /// One rule alone, for checking it: what would stand in if `key` were not measured here.
  std::optional<CurveChoice> by_rule(const OperatorKey& key, TransferRule rule);

  /// The same from one named device: of this kernel, else of the preferred one.
  std::optional<CurveChoice> from_device(const OperatorKey& key, const std::string& device);

  bool has_measurements();

 private:
  CurveChoice choice(const FittedCurve& fitted, const std::string& device, const OperatorKey& key,
                     double widen, TransferRule rule) const;
  CurveChoice start(const OperatorKey& key) const;

  std::shared_ptr<CurveFiles> files_;
  HardwareSpec hardware_;
};

/// Devices whose curves stand in for those of `hardware`, the nearest first: the same die, the same
/// architecture, the neighbouring ones.
std::vector<std::string> donors_of(const std::string& hardware);
bool same_architecture(const std::string& a, const std::string& b);

}  // namespace tollgate
