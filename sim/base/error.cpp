#include "sim/base/error.h"

namespace tollgate {

std::string to_string(const Place& place) {
  if (place.line <= 0) return place.file;
  return place.file + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

}  // namespace tollgate
