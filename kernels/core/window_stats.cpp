#include "kernels/core/window_stats.h"

#include <algorithm>

namespace tollgate::kernels {

void add_record(const WindowRecord& window, const RankRecord* ranks, BatchStats& sums) {
  sums.samples += 1;
  sums.assignments_sum += window.assignments;
  sums.hottest_expert_sum += window.hottest_expert;
  sums.hottest_expert_max = std::max<std::int64_t>(sums.hottest_expert_max, window.hottest_expert);
  sums.distinct_experts_sum += window.distinct_experts;
  for (std::size_t r = 0; r < sums.ranks.size(); ++r) {
    RankStats& rank = sums.ranks[r];
    rank.samples += 1;
    rank.busiest_load_sum += ranks[r].busiest_load;
    rank.busiest_load_max = std::max<std::int64_t>(rank.busiest_load_max, ranks[r].busiest_load);
    rank.busiest_distinct_sum += ranks[r].busiest_distinct;
    rank.max_distinct_sum += ranks[r].max_distinct;
    rank.padded_rows_64_sum += ranks[r].padded_rows_64;
    rank.padded_rows_128_sum += ranks[r].padded_rows_128;
  }
}

void add_sums(const BatchStats& part, BatchStats& sums) {
  sums.samples += part.samples;
  sums.assignments_sum += part.assignments_sum;
  sums.hottest_expert_sum += part.hottest_expert_sum;
  sums.hottest_expert_max = std::max(sums.hottest_expert_max, part.hottest_expert_max);
  sums.distinct_experts_sum += part.distinct_experts_sum;
  for (std::size_t r = 0; r < sums.ranks.size(); ++r) {
    const RankStats& from = part.ranks[r];
    RankStats& rank = sums.ranks[r];
    rank.samples += from.samples;
    rank.busiest_load_sum += from.busiest_load_sum;
    rank.busiest_load_max = std::max(rank.busiest_load_max, from.busiest_load_max);
    rank.busiest_distinct_sum += from.busiest_distinct_sum;
    rank.max_distinct_sum += from.max_distinct_sum;
    rank.padded_rows_64_sum += from.padded_rows_64_sum;
    rank.padded_rows_128_sum += from.padded_rows_128_sum;
  }
}

}  // namespace tollgate::kernels
