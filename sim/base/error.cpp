#include "sim/base/error.h"

namespace tollgate {

std::string to_string(const Place& place) {
  if (place.line <= 0) return place.file;
  const std::string line = place.file + ":" + std::to_string(place.line);
  return place.column <= 0 ? line : line + ":" + std::to_string(place.column);
}

}  // namespace tollgate
