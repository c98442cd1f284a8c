#include "sim/timing/engine_curves.h"

#include <cmath>

namespace tollgate {

double log_sd_of(double low, double high) {
  constexpr double p90 = 1.2815515655446004;  // of the standard normal distribution
  return low > 0 && high > low ? std::log(high / low) / 2 / p90 : 0;
}

EngineCurves::EngineCurves(std::shared_ptr<CurveFiles> files, const HardwareSpec& hardware,
                           const EngineSpec& engine, bool strict)
    : hardware_(hardware), engine_(engine), strict_(strict), curves_(std::move(files), hardware) {}

const StepCurve& EngineCurves::of(std::string_view op, std::string_view precision,
                                  std::span<const KernelWish> wishes, Data data,
                                  std::string_view backend, ExpertLayout layout) const {
  OperatorKey key{std::string(op),
                  std::string(!backend.empty()          ? backend
                              : engine_.backend.empty() ? engine_.name
                                                        : engine_.backend),
                  std::string(precision),
                  {}};
  std::string name = key.op + '\n' + key.backend + '\n' + key.precision;
  name += data == Data::cold ? "\ncold" : "\nwarm";
  name += '\n' + std::to_string(static_cast<int>(layout));
  for (const KernelWish& w : wishes) name += '\n' + w.tail + '\t' + w.contains + '\t' + w.lacks;
  const std::lock_guard lock(mutex_);
  auto& known = known_[name];
  if (known) return *known;

  StepCurve found;
  std::vector<KernelWish> all(wishes.begin(), wishes.end());
  // What an operator needs goes before what the engine prefers.
  const bool particular = !wishes.empty() && !wishes.front().contains.empty();
  for (const KernelChoice& own : engine_.kernels) {
    if (particular || own.op != op || own.precision != precision) continue;
    if (!own.architecture.empty() && own.architecture != architecture_of(hardware_.name)) continue;
    if (own.experts != ExpertLayout::any && own.experts != layout) continue;
    all.insert(all.begin(), {"", own.kernel, ""});
    if (!own.backend.empty()) key.backend = own.backend;
    if (!own.format.empty()) key.precision = own.format;
    found.launches = own.launches;
    break;
  }
  found.choice = curves_.find(key, all, strict_);
  if (data == Data::cold) found.choice.context.device.l2 = 0;
  found.launch = found.choice.parameter("launch");
  found.sustained = found.choice.parameter("sustained");
  found.log_sd = log_sd_of(found.choice.low, found.choice.high);
  known = std::make_unique<const StepCurve>(std::move(found));
  return *known;
}

}  // namespace tollgate
