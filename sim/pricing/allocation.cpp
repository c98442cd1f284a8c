#include "sim/pricing/allocation.h"

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

}  // namespace

AllocatedCost allocate(double bill_usd, const TokenVolume& tokens, const AllocationRule& rule) {
  require_not_negative(bill_usd, "the bill");
  require_not_negative(tokens.input, "the number of input tokens");
  require_not_negative(tokens.output, "the number of output tokens");
  constexpr auto output_needed = "the number of output tokens, which carry the bill,";
  constexpr auto input_needed = "the number of input tokens, which carry the prefill part,";
  switch (rule.kind) {
    case Allocation::output_only:
      return {0, per_million(bill_usd, tokens.output, output_needed)};
    case Allocation::total_tokens: {
      const double price =
          per_million(bill_usd, tokens.input + tokens.output, "the number of tokens");
      return {tokens.input > 0 ? price : 0, tokens.output > 0 ? price : 0};
    }
    case Allocation::token_ratio: {
      require_positive(rule.ratio, "the price ratio of output to input");
      const double price =
          per_million(bill_usd, tokens.input / rule.ratio + tokens.output, "the number of tokens");
      return {tokens.input > 0 ? price / rule.ratio : 0, tokens.output > 0 ? price : 0};
    }
    case Allocation::phase_time: {
      require_not_negative(rule.prefill_share, "the prefill share");
      if (rule.prefill_share > 1) throw std::invalid_argument("the prefill share is above 1.");
      return {per_million(bill_usd * rule.prefill_share, tokens.input, input_needed),
              per_million(bill_usd * (1 - rule.prefill_share), tokens.output, output_needed)};
    }
  }
  return {};
}

}  // namespace tollgate
