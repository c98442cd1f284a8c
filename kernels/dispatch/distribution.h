#pragma once
/// All values of an integer over the samples of a study, not only their mean.

#include <cstdint>
#include <vector>

namespace tollgate::kernels {

/// One value per (layer, step), by layer, then by step. With no samples every accessor gives 0.
struct Distribution {
  std::vector<std::int64_t> samples;

  std::int64_t sum() const;
  double mean() const;
  std::int64_t min() const;
  std::int64_t max() const;

  /// Nearest-rank percentile, p in (0, 100]: the smallest sample with at least p percent of the
  /// samples at or below it. Throws std::invalid_argument for another p.
  std::int64_t percentile(double p) const;
  std::int64_t p50() const { return percentile(50); }
  std::int64_t p95() const { return percentile(95); }

  bool operator==(const Distribution&) const = default;
};

}  // namespace tollgate::kernels
