#pragma once

#include <map>
#include <mutex>
#include <string>

#include "sim/operators/coefficients.h"
#include "sim/spec/hardware_spec.h"

namespace tollgate {

class Library;

/// The files models/hardware/operators/*.yaml, each read once when first asked for. May be shared
/// between threads, but the library must not be used by others meanwhile.
class CurveFiles {
 public:
  explicit CurveFiles(Library& library) : library_(library) {}

  /// Curves measured on a device; none where there is no file.
  const DeviceCurves& of(const std::string& device);

  /// Those of them that may stand in on another device (known_bad.h).
  const DeviceCurves& lent(const std::string& device);

  /// The entry of models/hardware of a device whose curves stand in for another's.
  HardwareSpec hardware(const std::string& device);

 private:
  Library& library_;
  std::mutex mutex_;
  std::map<std::string, DeviceCurves> read_, lent_;
};

}  // namespace tollgate
