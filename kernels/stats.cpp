#include "kernels/stats.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {
namespace {

double mean(std::int64_t sum, std::int64_t samples) {
  return samples == 0 ? 0.0 : static_cast<double>(sum) / static_cast<double>(samples);
}

}  // namespace

double RankStats::mean_busiest_load() const { return mean(busiest_load_sum, samples); }
double RankStats::mean_imbalance() const {
  return mean_rank_load > 0 ? mean_busiest_load() / mean_rank_load : 1.0;
}
double RankStats::mean_busiest_distinct() const { return mean(busiest_distinct_sum, samples); }
double RankStats::mean_max_distinct() const { return mean(max_distinct_sum, samples); }
double RankStats::mean_padded_rows_64() const { return mean(padded_rows_64_sum, samples); }
double RankStats::mean_padded_rows_128() const { return mean(padded_rows_128_sum, samples); }

std::int32_t RankStats::busiest_load_percentile(double p) const {
  if (!(p > 0 && p <= 100)) {
    throw std::invalid_argument("The percentile is " + std::to_string(p) +
                                ", but must be above 0 and at most 100.");
  }
  if (busiest_load.empty()) return 0;
  std::vector<std::int32_t> sorted = busiest_load;
  const auto count = static_cast<double>(sorted.size());
  const auto rank = static_cast<std::size_t>(std::ceil(p / 100.0 * count));
  const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(sorted.begin(), nth, sorted.end());
  return *nth;
}

double BatchStats::mean_hottest_expert() const { return mean(hottest_expert_sum, samples); }
double BatchStats::mean_expert_imbalance() const {
  return mean_expert_load > 0 ? mean_hottest_expert() / mean_expert_load : 1.0;
}
double BatchStats::mean_distinct_experts() const { return mean(distinct_experts_sum, samples); }

double TrafficStats::mean_destination_ranks() const { return mean(destination_ranks_sum, tokens); }

const BatchStats& RoutingStats::batch(int batch_size) const {
  for (const BatchStats& b : batches) {
    if (b.batch_size == batch_size) return b;
  }
  throw std::out_of_range("No routing statistics were taken at batch size " +
                          std::to_string(batch_size) + ".");
}

const RankStats& RoutingStats::ranks(int batch_size, int rank_count) const {
  for (const RankStats& r : batch(batch_size).ranks) {
    if (r.ranks == rank_count) return r;
  }
  throw std::out_of_range("No routing statistics were taken for " + std::to_string(rank_count) +
                          " ranks.");
}

const TrafficStats& RoutingStats::traffic_to(int rank_count) const {
  for (const TrafficStats& t : traffic) {
    if (t.ranks == rank_count) return t;
  }
  throw std::out_of_range("No routing traffic was taken for " + std::to_string(rank_count) +
                          " ranks.");
}

double RoutingStats::mean_real_choices() const {
  std::int64_t sum = 0;
  for (const std::int64_t n : expert_tokens) sum += n;
  return mean(sum, static_cast<std::int64_t>(layers) * tokens);
}

}  // namespace tollgate::kernels
