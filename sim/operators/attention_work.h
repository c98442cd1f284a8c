#pragma once

#include <algorithm>
#include <cmath>

namespace tollgate {

/// Rows of queries in one tile of an attention kernel (FlashAttention 2 and 3, TensorRT-LLM).
constexpr double attention_tile = 128;

/// Pairs of a query and a position it may see, for `seq` causal queries after `past` positions;
/// `window` > 0 lets a query see at most so many positions, itself included.
inline double visible_pairs(double seq, double past, double window = 0) {
  if (window <= 0) return seq * past + seq * (seq + 1) / 2;
  const double growing = std::clamp(window - past, 0.0, seq);
  return growing * past + growing * (growing + 1) / 2 + (seq - growing) * window;
}

/// Positions of a cache that `seq` queries after `past` positions read at least once.
inline double visible_positions(double seq, double past, double window = 0) {
  return window > 0 ? std::min(seq + past, seq + window) : seq + past;
}

/// Bytes that must come from memory whatever the last-level cache holds.
inline double beyond_cache(double bytes, double cache) { return std::max(0.0, bytes - cache); }

/// Share of `bytes` that misses a cache when the same bytes are read again and again: none up to
/// `from` caches, all from `to` caches on; all if the cache is unknown (0).
inline double miss_share(double bytes, double cache, double from, double to) {
  return cache > 0 ? std::clamp((bytes / cache - from) / (to - from), 0.0, 1.0) : 1.0;
}

/// Seconds until the last tile of a kernel is done, when `work` processor-seconds in `tiles` are
/// handed to `processors` and the heaviest tile takes `heaviest`: as many heaviest tiles as `tail`
/// are waited for at the end, and one alone on a processor takes `lone` of its time among others.
inline double tiled_seconds(double work, double tiles, double heaviest, double processors,
                            double tail, double lone) {
  return std::max(work / processors + tail * heaviest * std::min(1.0, tiles / processors),
                  lone * heaviest);
}

/// Seconds of two parts that overlap but for 0.4 of what hypot adds to the longer. The share
/// matters little: fitted per kernel it spreads over 0 (perfect overlap) to 2.4 (none).
inline double overlapped(double a, double b) {
  const double longer = std::max(a, b);
  return longer + 0.4 * (std::sqrt(a * a + b * b) - longer);
}

}  // namespace tollgate
