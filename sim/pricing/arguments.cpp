#include "sim/pricing/arguments.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "sim/base/text.h"

namespace tollgate {
namespace {

[[noreturn]] void refuse(std::string_view what, std::string_view rule, double value) {
  const std::string given = std::isfinite(value) ? shortest(value) : "not finite";
  throw std::invalid_argument(std::string(what) + " must be " + std::string(rule) + ", but is " +
                              given + ".");
}

}  // namespace

void require_not_negative(double value, std::string_view what) {
  if (!std::isfinite(value) || value < 0) refuse(what, "a number from 0 up", value);
}

void require_positive(double value, std::string_view what) {
  if (!std::isfinite(value) || value <= 0) refuse(what, "a number above 0", value);
}

void require_fraction(double value, std::string_view what) {
  if (!(value > 0 && value <= 1)) refuse(what, "above 0 and at most 1", value);
}

void require_positive(const Estimate& value, std::string_view what) {
  require_positive(value.low, what);
  require_positive(value.value, what);
  require_positive(value.high, what);
  if (value.low > value.value || value.value > value.high) {
    throw std::invalid_argument(std::string(what) + " must lie inside its own band.");
  }
}

}  // namespace tollgate
