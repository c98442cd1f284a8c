#pragma once

#include <cstdint>
#include <numeric>

namespace tollgate {

/// Sum over i in [0, n) of floor((a i + b) / m), for a, b >= 0 and m > 0: Euclid on the lattice
/// points under a line (Graham, Knuth, Patashnik: Concrete Mathematics, 3.5).
inline std::int64_t floor_sum(std::int64_t n, std::int64_t m, std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  while (n > 0) {
    sum += (n - 1) * n / 2 * (a / m) + n * (b / m);
    a %= m;
    b %= m;
    const std::int64_t top = a * n + b;
    if (top < m) break;
    n = top / m;
    b = top % m;
    std::swap(m, a);
  }
  return sum;
}

/// How many tokens every decoding sequence has emitted after s steps: floor(s p / q), where p / q
/// is the mean number a step emits (1 without speculation, the acceptance length with it). All
/// sequences of a replica share the clock, so that a batch grows evenly and has a closed form.
class EmissionClock {
 public:
  /// `per_step` is rounded to a 1024th.
  explicit EmissionClock(double per_step = 1) {
    p_ = static_cast<std::int64_t>(per_step * 1024 + 0.5);
    q_ = 1024;
    const std::int64_t g = std::gcd(p_, q_);
    p_ /= g;
    q_ /= g;
  }

  std::int64_t steps() const { return steps_; }
  std::int64_t now() const { return at(steps_); }
  /// Tokens a sequence has emitted by the time `ahead` more steps are done.
  std::int64_t after(std::int64_t ahead) const { return at(steps_ + ahead); }
  void advance(std::int64_t steps) { steps_ += steps; }

  /// Fewest steps from now until the clock shows `tokens` or more.
  std::int64_t steps_to_reach(std::int64_t tokens) const {
    return (p_ == 1 ? tokens * q_ : (tokens * q_ + p_ - 1) / p_) - steps_;
  }
  /// Most steps from now for which the clock still shows `tokens` or fewer.
  std::int64_t steps_within(std::int64_t tokens) const {
    const std::int64_t below = (tokens + 1) * q_ - 1;
    return (p_ == 1 ? below : below / p_) - steps_;
  }
  /// Sum over the next `steps` steps of what the clock has advanced before each of them.
  std::int64_t growth(std::int64_t steps) const {
    if (q_ == 1) return p_ * (steps * (steps - 1) / 2);
    return floor_sum(steps, q_, p_, steps_ * p_ % q_);
  }
  double rate() const { return static_cast<double>(p_) / static_cast<double>(q_); }
  /// Most tokens that one step can emit.
  std::int64_t most() const { return (p_ + q_ - 1) / q_; }

 private:
  std::int64_t at(std::int64_t s) const { return q_ == 1 ? s * p_ : s * p_ / q_; }
  std::int64_t p_, q_, steps_ = 0;
};

}  // namespace tollgate
