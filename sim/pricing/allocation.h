#pragma once

#include <optional>
#include <string_view>

namespace tollgate {

/// How one bill is split over input, cached input and output tokens. The choice moves the price of
/// an output token by a factor of three and more, so it is always named beside the result.
enum class Allocation {
  output_only,        ///< everything on generated tokens (most blogs)
  total_tokens,       ///< the same price for every token (InferenceX "total")
  token_ratio,        ///< an output token costs `ratio` input tokens (Google GKE recommender: 4)
  phase_time,         ///< by the share of GPU time in prefill (DeepSeek's node split)
  marginal_resource,  ///< in proportion to FLOP and bytes of a token (Step-3 paper)
  revenue_weighted,   ///< in proportion to list prices (relative sales value of joint products)
  /// Input and output each carry the whole bill (InferenceX, aggregated serving): not additive,
  /// only for comparing with figures made this way.
  same_hours_twice,
};

/// The name as scenarios write it: "phase_time".
std::string_view to_string(Allocation rule);

/// The parts of the bill add up to it.
constexpr bool is_additive(Allocation rule) { return rule != Allocation::same_hours_twice; }

/// What a token of each class weighs in the split, in any unit.
struct TokenWeights {
  double input = 0;  ///< computed prompt token
  double cached = 0;
  double output = 0;
};

struct AllocationRule {
  Allocation kind = Allocation::total_tokens;
  double ratio = 4;          ///< token_ratio: > 0
  double prefill_share = 0;  ///< phase_time: 0..1 of the bill goes to prompt tokens
  /// phase_time: what keeping a cached token costs, USD per million; taken out of the prompts' part
  /// of the bill. Never more than a computed token.
  double cached_usd_per_million = 0;
  TokenWeights weights;  ///< marginal_resource: cost at full use; revenue_weighted: list prices
};

/// Tokens of one bill.
struct TokenVolume {
  double input = 0;  ///< prompt tokens, cached ones included
  double output = 0;
  /// Those of `input` that were found in the cache. Unknown is not zero: it is refused.
  std::optional<double> cached = std::nullopt;
};

/// USD per million tokens. Additive: the sum of price x tokens of the three classes is the bill. A
/// class without tokens has the price that one would have, or 0.
struct AllocatedCost {
  double usd_per_million_input = 0;  ///< computed prompt tokens; those written to the cache too
  double usd_per_million_cached = 0;
  double usd_per_million_output = 0;
};

/// Splits `bill_usd` >= 0. A cached token never costs more than a computed one. Throws
/// std::invalid_argument for negative or non-finite arguments, more cached than input tokens, an
/// unknown number of cached tokens, and when a part of the bill has no tokens to carry it.
AllocatedCost allocate(double bill_usd, const TokenVolume& tokens, const AllocationRule& rule);

/// The bill over tokens in proportion to their weights.
AllocatedCost allocate_by_weight(double bill_usd, const TokenVolume& tokens,
                                 const TokenWeights& weights);

}  // namespace tollgate
