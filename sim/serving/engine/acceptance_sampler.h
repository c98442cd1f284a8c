#pragma once

#include <cstdint>
#include <vector>

namespace tollgate {

/// Draws how many verify steps an answer takes. Each of k drafts is accepted with probability a
/// while those before it were, so that a step emits 1 + min(Geometric, k) tokens, (1 - a^(k+1)) /
/// (1 - a) on average (Leviathan et al., ICML 2023, equation 1); a is solved for from the measured
/// mean.
class AcceptanceSampler {
 public:
  AcceptanceSampler(double tokens_per_step, int draft_tokens, std::uint64_t seed);

  /// Steps until `left` more tokens are out; a function of seed, request and `produced` alone.
  std::int64_t steps(std::int32_t request, std::int32_t produced, std::int64_t left) const;

 private:
  std::vector<std::uint64_t>
      at_least_;  ///< 2^32 x probability that j drafts are accepted, j from 1
  std::uint64_t seed_;
};

}  // namespace tollgate
