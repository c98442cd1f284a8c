#pragma once

#include <map>
#include <string>

#include "sim/base/error.h"

namespace tollgate {

/// Where each key of a YAML object stood, for errors found after reading ("" = the object itself).
using Places = std::map<std::string, Place>;

/// The place of `key`, else of the whole object.
inline Place place_of(const Places& places, const std::string& key) {
  if (const auto at = places.find(key); at != places.end()) return at->second;
  if (const auto at = places.find(""); at != places.end()) return at->second;
  return {};
}

}  // namespace tollgate
