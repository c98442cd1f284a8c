#include "sim/pricing/inflation.h"

#include <algorithm>
#include <stdexcept>

#include "sim/pricing/arguments.h"

namespace tollgate {
namespace {

LengthSpec times(LengthSpec length, double factor) {
  length.tokens *= factor;
  length.low *= factor;
  length.high *= factor;
  length.mean *= factor;
  for (double& tokens : length.quantiles) tokens *= factor;
  return length;
}

void check(const Inflation& i) {
  if (i.cache_hit_rate > 1) throw std::invalid_argument("the cache hit rate is above 1.");
  require_not_negative(i.prompt_compression, "the prompt compression");
  if (i.prompt_compression >= 1) {
    throw std::invalid_argument("the prompt compression must be below 1.");
  }
  require_positive(i.reasoning, "the factor on generated tokens");
  require_positive(i.fan_out, "the fan-out");
  require_not_negative(i.tokens_per_turn, "the tokens per turn");
  if (i.fan_out < 1 || i.turns < 1) {
    throw std::invalid_argument("fan-out and turns must be at least 1.");
  }
}

}  // namespace

double calls_per_task(const Inflation& i) {
  check(i);
  return i.fan_out * i.turns;
}

RequestClass inflated(const RequestClass& request, const Inflation& i) {
  check(i);
  RequestClass out = request;
  out.output = times(request.output, i.reasoning);
  const double left = 1 - i.prompt_compression;
  const double first = request.input.average() * left;
  if (i.cache_hit_rate >= 0) out.prefix_hit_rate = i.cache_hit_rate;
  const double later = i.turns - 1;
  const double grown = i.tokens_per_turn + out.output.average();
  const double mean = first + later / 2 * grown;
  out.input = first > 0 ? times(request.input, left * mean / first) : request.input;
  if (i.turns > 1) {
    const double computed =
        ((1 - out.prefix_hit_rate) * first + later * i.tokens_per_turn) / i.turns;
    out.prefix_hit_rate = std::clamp(1 - computed / mean, 0.0, 1.0);
  }
  return out;
}

}  // namespace tollgate
