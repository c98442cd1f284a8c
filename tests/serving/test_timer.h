#pragma once

#include <algorithm>

#include "sim/serving/engine/step_timer.h"

namespace tollgate {

/// Every step takes one millisecond.
struct Metronome : StepTimer {
  static constexpr Ticks beat = ticks_per_second / 1000;
  Ticks step(std::span<const RankBatch>) const override { return beat; }
  DecodeLine decode(std::span<const RankBatch>) const override {
    return {beat, 0, std::int64_t{1} << 40};
  }
};

/// A step time with every feature that a real one may have: a floor, padding of the batch, a knee
/// in the mean context, and the slowest rank; in whole ticks.
struct TestTimer : StepTimer {
  Ticks base = 500'000'000, floor = 6'000'000'000, token = 27'000'000, pair = 20'000;
  Ticks request = 4'000'000, context = 48'900, context_beyond = 61'300;
  std::int64_t knee = 1000;  ///< mean context from which a cached token costs `context_beyond`
  std::int64_t padding = 8;

  std::int64_t padded(std::int64_t n) const { return (n + padding - 1) / padding * padding; }

  Ticks rank_attention(std::int64_t n, std::int64_t sum) const {
    const std::int64_t near = std::min(sum, n * knee);
    return context * near + context_beyond * (sum - near);
  }

  Ticks step(std::span<const RankBatch> ranks) const override {
    std::int64_t tokens = 0, requests = 0;
    Ticks attention = 0, prefill = 0;
    for (const RankBatch& r : ranks) {
      tokens = std::max(tokens, r.prefill_tokens + padded(r.decode_sequences));
      requests = std::max(requests, r.prefill_requests + r.decode_sequences);
      attention = std::max(attention, rank_attention(r.decode_sequences, r.decode_context));
      prefill = std::max(prefill, pair * r.prefill_context);
    }
    return base + std::max(floor, token * tokens) + attention + prefill + request * requests;
  }

  DecodeLine decode(std::span<const RankBatch> ranks) const override {
    DecodeLine line{step(ranks), 0, std::int64_t{1} << 50};
    const auto side = [&](const RankBatch& r) {
      return r.decode_context < r.decode_sequences * knee ? context : context_beyond;
    };
    const RankBatch* top = nullptr;
    Ticks most = -1;
    for (const RankBatch& r : ranks) {
      const Ticks a = rank_attention(r.decode_sequences, r.decode_context);
      if (a > most || (a == most && r.decode_sequences > top->decode_sequences)) {
        most = a;
        top = &r;
      }
    }
    line.growth = top->decode_sequences * side(*top);
    for (const RankBatch& r : ranks) {
      const std::int64_t n = r.decode_sequences;
      if (n == 0) continue;
      if (r.decode_context < n * knee) {
        line.valid = std::min(line.valid, (n * knee - r.decode_context) / n);
      }
      const Ticks growth = n * side(r);
      if (growth > line.growth) {
        const Ticks gap = most - rank_attention(n, r.decode_context);
        line.valid = std::min(line.valid, gap / (growth - line.growth));
      }
    }
    return line;
  }
};

}  // namespace tollgate
