#include "sim/pricing/allocation.h"

#include <algorithm>
#include <stdexcept>

#include "sim/pricing/arguments.h"

namespace tollgate {
namespace {

constexpr double million = 1e6;

double per_million(double usd, double tokens, const char* what) {
  if (usd == 0) return 0;
  require_positive(tokens, what);
  return usd / tokens * million;
}

AllocatedCost by_phase(double bill, double computed, double cached, double output,
                       const AllocationRule& rule) {
  require_not_negative(rule.prefill_share, "the prefill share");
  require_not_negative(rule.cached_usd_per_million, "the cost of a cached token");
  if (rule.prefill_share > 1) throw std::invalid_argument("the prefill share is above 1.");
  const double prompts = bill * rule.prefill_share;
  const double even = per_million(prompts, computed + cached,
                                  "the number of input tokens, which carry the prefill part,");
  AllocatedCost cost;
  // No more than even: then computed tokens carry at least as much each.
  cost.usd_per_million_cached = std::min(rule.cached_usd_per_million, even);
  cost.usd_per_million_input =
      computed > 0 ? std::max(cost.usd_per_million_cached,
                              per_million(prompts - cost.usd_per_million_cached * cached / million,
                                          computed, "the number of input tokens"))
                   : even;
  if (computed <= 0) cost.usd_per_million_cached = even;
  cost.usd_per_million_output = per_million(
      bill - prompts, output, "the number of output tokens, which carry the decode part,");
  return cost;
}

}  // namespace

std::string_view to_string(Allocation rule) {
  switch (rule) {
    case Allocation::output_only:
      return "output_only";
    case Allocation::total_tokens:
      return "total_tokens";
    case Allocation::token_ratio:
      return "token_ratio";
    case Allocation::phase_time:
      return "phase_time";
    case Allocation::marginal_resource:
      return "marginal_resource";
    case Allocation::revenue_weighted:
      return "revenue_weighted";
    case Allocation::same_hours_twice:
      return "same_hours_twice";
  }
  return "";
}

AllocatedCost allocate_by_weight(double bill_usd, const TokenVolume& tokens,
                                 const TokenWeights& weights) {
  AllocationRule rule;
  rule.kind = Allocation::marginal_resource;
  rule.weights = weights;
  return allocate(bill_usd, tokens, rule);
}

AllocatedCost allocate(double bill_usd, const TokenVolume& tokens, const AllocationRule& rule) {
  require_not_negative(bill_usd, "the bill");
  require_not_negative(tokens.input, "the number of input tokens");
  require_not_negative(tokens.output, "the number of output tokens");
  if (!tokens.cached) {
    throw std::invalid_argument("the number of cached tokens is not known; 0 has to be said.");
  }
  require_not_negative(*tokens.cached, "the number of cached tokens");
  if (*tokens.cached > tokens.input) {
    throw std::invalid_argument("there are more cached tokens than input tokens.");
  }
  const double cached = *tokens.cached, computed = tokens.input - cached, output = tokens.output;
  TokenWeights weights = rule.weights;
  switch (rule.kind) {
    case Allocation::output_only:
      return {0, 0,
              per_million(bill_usd, output, "the number of output tokens, which carry the bill,")};
    case Allocation::phase_time:
      return by_phase(bill_usd, computed, cached, output, rule);
    case Allocation::same_hours_twice: {
      const double input = tokens.input > 0 ? bill_usd / tokens.input * million : 0;
      return {input, input, output > 0 ? bill_usd / output * million : 0};
    }
    case Allocation::total_tokens:
      weights = {1, 1, 1};
      break;
    case Allocation::token_ratio:
      require_positive(rule.ratio, "the price ratio of output to input");
      weights = {1 / rule.ratio, 1 / rule.ratio, 1};
      break;
    case Allocation::marginal_resource:
    case Allocation::revenue_weighted:
      require_not_negative(weights.input, "the weight of input");
      require_not_negative(weights.cached, "the weight of cached input");
      require_not_negative(weights.output, "the weight of output");
      weights.cached = std::min(weights.cached, weights.input);
      break;
  }
  const double price = per_million(
      bill_usd, computed * weights.input + cached * weights.cached + output * weights.output,
      "the weighted number of tokens");
  return {price * weights.input, price * weights.cached, price * weights.output};
}

}  // namespace tollgate
