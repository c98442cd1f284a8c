#pragma once

namespace tollgate {

/// How one bill is split over input and output tokens. The choice moves the price of an output
/// token by a factor of three and more, so it is always named beside the result.
enum class Allocation {
  output_only,   ///< everything on generated tokens (most blogs)
  total_tokens,  ///< the same price for every token (InferenceX "total")
  token_ratio,   ///< an output token costs `ratio` input tokens (Google GKE recommender: 4)
  phase_time,    ///< by the share of GPU time in prefill (DeepSeek's node split)
};

struct AllocationRule {
  Allocation kind = Allocation::total_tokens;
  double ratio = 4;          ///< token_ratio: > 0
  double prefill_share = 0;  ///< phase_time: 0..1 of the bill goes to input tokens
};

/// Tokens of one bill. Cached prompt tokens belong to `input`.
struct TokenVolume {
  double input = 0;
  double output = 0;
};

/// USD per million tokens. Additive: input price x input + output price x output is the bill. A
/// class without tokens has price 0.
struct AllocatedCost {
  double usd_per_million_input = 0;
  double usd_per_million_output = 0;
};

/// Splits `bill_usd` >= 0. Throws std::invalid_argument for negative or non-finite arguments, and
/// when a part of the bill has no tokens to carry it.
AllocatedCost allocate(double bill_usd, const TokenVolume& tokens, const AllocationRule& rule);

}  // namespace tollgate
