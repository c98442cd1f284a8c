#pragma once

#include <utility>
#include <vector>

#include "sim/spec/workload_spec.h"

namespace tollgate {

inline LengthSpec fixed_length(double tokens) {
  LengthSpec l;
  l.tokens = tokens;
  return l;
}

inline LengthSpec lognormal(double mean, double sigma) {
  LengthSpec l;
  l.kind = LengthKind::lognormal;
  l.mean = mean;
  l.sigma = sigma;
  return l;
}

inline LengthSpec quantiles(std::vector<double> values) {
  LengthSpec l;
  l.kind = LengthKind::quantiles;
  l.quantiles = std::move(values);
  return l;
}

inline RequestClass request_class(const char* name, double weight, LengthSpec input,
                                  LengthSpec output) {
  RequestClass c;
  c.name = name;
  c.weight = weight;
  c.input = std::move(input);
  c.output = std::move(output);
  return c;
}

inline LoadSpec at_rate(double rate) {
  LoadSpec load;
  load.kind = LoadKind::rate;
  load.rate = rate;
  return load;
}

}  // namespace tollgate
