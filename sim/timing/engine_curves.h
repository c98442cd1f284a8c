#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "sim/operators/curve_set.h"
#include "sim/spec/engine_spec.h"

namespace tollgate {

/// A curve with what the step model needs of it beside its time.
struct StepCurve {
  CurveChoice choice;
  double launch = 0;     ///< seconds of an empty call, the curve's parameter of that name
  double sustained = 0;  ///< slowdown of long products, the curve's parameter of that name; 0: none
  double log_sd = 0;     ///< of its band: ln(high / low) / 2 / 1.2816
  double launches = 0;   ///< KernelChoice::launches

  double seconds(const double* shape) const { return choice.value(shape); }
};

/// Log-sd of a band that runs from its P10 to its P90.
double log_sd_of(double low, double high);

/// Whether what a kernel reads was left in the last-level cache by the one before. Weights, caches
/// and states never are: all other layers pass in between.
enum class Data { warm, cold };

/// The operator curves of one device as one engine runs them, each resolved once. Thread safe;
/// references stay valid as long as the object.
class EngineCurves {
 public:
  /// With `strict` a stand-in is an InputError when it is asked for.
  EngineCurves(std::shared_ptr<CurveFiles> files, const HardwareSpec& hardware,
               const EngineSpec& engine, bool strict = false);

  /// The curve of an operator in a number format. `wishes` say which kernels will do, best first;
  /// the engine's own choice (EngineSpec::kernels) goes before. `backend` empty: the engine's.
  const StepCurve& of(std::string_view op, std::string_view precision,
                      std::span<const KernelWish> wishes = {}, Data data = Data::cold,
                      std::string_view backend = {}, ExpertLayout layout = ExpertLayout::any) const;

  const HardwareSpec& hardware() const { return hardware_; }
  const EngineSpec& engine() const { return engine_; }

 private:
  HardwareSpec hardware_;
  EngineSpec engine_;
  bool strict_;
  mutable std::mutex mutex_;
  mutable CurveSet curves_;
  mutable std::map<std::string, std::unique_ptr<const StepCurve>> known_;
};

}  // namespace tollgate
