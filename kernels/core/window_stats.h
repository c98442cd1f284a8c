#pragma once
/// Statistics of single windows as the fast backends produce them, and their ordered sum.

#include <cstdint>
#include <vector>

#include "kernels/problem.h"
#include "kernels/stats.h"

namespace tollgate::kernels {

/// One window: tokens on its fullest expert, and experts with at least one token.
struct WindowRecord {
  std::int32_t hottest_expert;
  std::int32_t distinct_experts;
};

/// One window and one rank count; see RankStats.
struct RankRecord {
  std::int32_t busiest_load;
  std::int32_t busiest_distinct;
  std::int32_t max_distinct;
  std::int32_t padded_rows_64;
  std::int32_t padded_rows_128;
};

/// All windows of one batch size, by layer, then by position.
struct WindowRecords {
  int windows_per_layer = 0;
  std::vector<WindowRecord> windows;  ///< [layer * windows_per_layer + window]
  std::vector<RankRecord> ranks;      ///< [(layer * windows_per_layer + window) * rank counts + i]

  WindowRecords(const RoutingProblem& problem, int batch_size);
};

/// Adds the records to `batch` in order.
void add_records(const WindowRecords& records, BatchStats& batch);

}  // namespace tollgate::kernels
