#include "sim/operators/curve_files.h"

#include "sim/base/text.h"
#include "sim/operators/known_bad.h"
#include "sim/spec/library.h"

namespace tollgate {

const DeviceCurves& CurveFiles::of(const std::string& device) {
  const std::lock_guard lock(mutex_);
  const auto found = read_.find(device);
  if (found != read_.end()) return found->second;
  DeviceCurves curves;
  if (const YamlPtr tree = library_.operator_curves(device)) {
    curves = device_curves_schema().read(*tree, "");
    if (curves.name != device) {
      throw InputError(
          place_of(curves.places, "name"),
          "these are the curves of " + quote(curves.name) + ", not of " + device + ".");
    }
  }
  return read_.emplace(device, std::move(curves)).first->second;
}

const DeviceCurves& CurveFiles::lent(const std::string& device) {
  const DeviceCurves& all = of(device);
  const std::lock_guard lock(mutex_);
  const auto [entry, added] = lent_.try_emplace(device);
  if (added) {
    entry->second = all;
    std::erase_if(entry->second.curves, [&](const FittedCurve& c) {
      return !stands_alone_reason(device, c.key()).empty();
    });
  }
  return entry->second;
}

HardwareSpec CurveFiles::hardware(const std::string& device) {
  const std::lock_guard lock(mutex_);
  return library_.hardware(device, {"models/hardware/operators/" + device + ".yaml", 0, 0});
}

}  // namespace tollgate
