#include "kernels/core/window_stats.h"

#include <algorithm>

namespace tollgate::kernels {

WindowRecords::WindowRecords(const RoutingProblem& problem, int batch_size)
    : windows_per_layer(problem.tokens / batch_size) {
  const auto count = static_cast<std::size_t>(problem.layers) * windows_per_layer;
  windows.resize(count);
  ranks.resize(count * problem.rank_counts.size());
}

void add_records(const WindowRecords& records, BatchStats& batch) {
  for (const WindowRecord& record : records.windows) {
    batch.hottest_expert_sum += record.hottest_expert;
    batch.hottest_expert_max = std::max<std::int64_t>(batch.hottest_expert_max, record.hottest_expert);
    batch.distinct_experts_sum += record.distinct_experts;
  }
  batch.samples += static_cast<std::int64_t>(records.windows.size());
  for (std::size_t r = 0; r < batch.ranks.size(); ++r) {
    RankStats& stats = batch.ranks[r];
    stats.busiest_load.reserve(stats.busiest_load.size() + records.windows.size());
    for (std::size_t w = 0; w < records.windows.size(); ++w) {
      const RankRecord& record = records.ranks[w * batch.ranks.size() + r];
      stats.busiest_load_sum += record.busiest_load;
      stats.busiest_load_max = std::max<std::int64_t>(stats.busiest_load_max, record.busiest_load);
      stats.busiest_distinct_sum += record.busiest_distinct;
      stats.max_distinct_sum += record.max_distinct;
      stats.padded_rows_64_sum += record.padded_rows_64;
      stats.padded_rows_128_sum += record.padded_rows_128;
      stats.busiest_load.push_back(record.busiest_load);
    }
    stats.samples += static_cast<std::int64_t>(records.windows.size());
  }
}

}  // namespace tollgate::kernels
