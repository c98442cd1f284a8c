#include "sim/pricing/product.h"

#include <cmath>

namespace tollgate {
namespace {

double log_ratio(double of, double to) {
  return of > 0 && to > 0 ? std::fabs(std::log(of / to)) : 0;
}

}  // namespace

Estimate product(const Estimate& a, const Estimate& b) {
  const Provenance provenance = worst(a.provenance, b.provenance);
  Estimate out;
  if (b.low == b.high) {
    out = scaled(a, b.value);
  } else if (a.low == a.high) {
    out = scaled(b, a.value);
  } else {
    const double value = a.value * b.value;
    out = {value,
           value * std::exp(-std::hypot(log_ratio(a.low, a.value), log_ratio(b.low, b.value))),
           value * std::exp(std::hypot(log_ratio(a.high, a.value), log_ratio(b.high, b.value))),
           provenance};
  }
  out.provenance = provenance;
  return out;
}

Estimate quotient(const Estimate& numerator, const Estimate& denominator) {
  return product(numerator, inverse(1, denominator));
}

}  // namespace tollgate
