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
  std::vector<std::vector<double>> others;  ///< parameters of further devices that stand in beside
  std::vector<double> lowest, highest;      ///< of each column in the data; empty without data
  double low = 1, high = 1;                 ///< the band, widened
  TransferRule rule = TransferRule::none;
  std::string note;    ///< empty, or a sentence that says what stands in for what
  std::string source;  ///< of the measurements; empty without

  /// Seconds of one call with band and provenance: fitted; extrapolated where a column lies outside
  /// the data, with the band widened by 1.2 per doubling outside, at most 2; assumed under any
  /// transfer rule.
  Estimate seconds(std::span<const double> shape) const;

  /// The value of that alone: of the curve, with `others` the geometric mean of all.
  double value(const double* shape) const;

  /// A parameter by its name, with `others` the geometric mean; 0 if the curve has none of it.
  double parameter(std::string_view name) const;
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
  /// all on this device; the first two on the first of donors() that has one (for whole modules the
  /// same backend on any donor before another one on a nearer donor), or, if that is no close
  /// relative, the geometric mean of one device of each of the first three architectures that have
  /// it (of those with the same_instructions() alone if one has); another precision there; the
  /// curve's start. Constants go over as transfer.h says. With `strict` a transfer is an
  /// InputError. Throws InputError for an unknown operator or precision.
  CurveChoice find(const OperatorKey& key, bool strict = false);

  /// The same for kernels known by what they do: the first wish that a measured kernel meets, of
  /// those that meet it the one with most rows; kernels that meet none come last. All but the first
  /// wish count as another kernel. `key.kernel` is not read.
  CurveChoice find(const OperatorKey& key, std::span<const KernelWish> wishes, bool strict);

  /// One rule alone, for checking it: what would stand in if `key` were not measured here.
  std::optional<CurveChoice> by_rule(const OperatorKey& key, TransferRule rule);

  /// The same from one named device: of this kernel, else of the one named most alike.
  std::optional<CurveChoice> from_device(const OperatorKey& key, const std::string& device);

  bool has_measurements();

 private:
  CurveChoice choice(const FittedCurve& fitted, const std::string& device, const OperatorKey& key,
                     double widen, TransferRule rule) const;
  CurveChoice start(const OperatorKey& key) const;
  const DeviceCurves& curves_of(const std::string& device) const;  ///< those that hold here

  /// Takes what more ranks add from another device, for a curve measured on one number of them; a
  /// sentence that says so.
  std::string complete(const FittedCurve& fitted, const std::string& device, const OperatorKey& key,
                       std::vector<double>& parameters) const;

  /// In a whole module of a device whose tensor cores take other instructions, `from`: the
  /// attention of a kernel that runs here, measured on this device (unless `left_out`) or on one
  /// with the same instructions.
  void take_kernel(const OperatorKey& key, const std::string& from, bool left_out,
                   CurveChoice& module) const;

  /// donors_of(), for what passes a link those first that are joined by the same kind of link.
  std::vector<std::string> donors(std::string_view op) const;

  /// What stands in: the choice of the first donor that has one, if it is a close relative; else
  /// the mean over architectures.
  template <class Choose>
  std::optional<CurveChoice> from_donors(std::string_view op, const Choose& choose) const;

  std::shared_ptr<CurveFiles> files_;
  HardwareSpec hardware_;
};

/// Devices whose curves stand in for those of `hardware`, the nearest first: the same die, the same
/// architecture, the neighbouring ones.
std::vector<std::string> donors_of(const std::string& hardware);
bool same_architecture(const std::string& a, const std::string& b);

/// "ampere", "ada", "hopper", "blackwell" (data centre) or "blackwell_rtx"; "" for others.
std::string_view architecture_of(const std::string& hardware);

/// Of one architecture, or of two that run the same kernels on the same kind of memory: Ada and the
/// RTX cards of Blackwell (mma.sync, GDDR).
bool close_relatives(const std::string& a, const std::string& b);

/// Whose tensor cores take the same instructions, so that the same kernels run on both: mma.sync on
/// Ampere, Ada and the RTX cards of Blackwell, wgmma on Hopper, tcgen05 on Blackwell (PTX ISA 8.7,
/// sections 9.7.14 to 9.7.16).
bool same_instructions(const std::string& a, const std::string& b);

/// Cycles per second at the datasheet's peak; 0 where FLOPs per cycle are not known.
double clock_of(const HardwareSpec& hardware);

}  // namespace tollgate
