#pragma once
/// Gates over logits in memory: round to fixed point, then keep the best in one pass.

#include <cstdint>

#include "kernels/core/gate.h"

namespace tollgate::kernels {

class LogitSelector {
 public:
  explicit LogitSelector(const Gate& gate) : gate_(gate) {}

  /// Writes the top_k chosen experts of one token, best first, and returns -1; if a logit is NaN,
  /// returns the first expert that has one.
  int select(const float* logits, std::uint16_t* chosen) const;

 private:
  std::uint64_t kept(const std::int32_t* values) const;

  Gate gate_;
};

}  // namespace tollgate::kernels
