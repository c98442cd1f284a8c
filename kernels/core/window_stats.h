#pragma once
/// Statistics of single windows as the fast backends produce them, and their sum.

#include <cstdint>

#include "kernels/stats.h"

namespace tollgate::kernels {

/// One window: tokens on its fullest expert, experts with at least one token, and assignments, all
/// without zero experts.
struct WindowRecord {
  std::int32_t hottest_expert;
  std::int32_t distinct_experts;
  std::int32_t assignments;
};

/// One window and one rank count; see RankStats.
struct RankRecord {
  std::int32_t busiest_load;
  std::int32_t busiest_distinct;
  std::int32_t max_distinct;
  std::int32_t padded_rows_64;
  std::int32_t padded_rows_128;
};

/// Adds one window, with its `sums.ranks.size()` rank records, to all sums, maxima and sample
/// counts; `RankStats::busiest_load` is left alone.
void add_record(const WindowRecord& window, const RankRecord* ranks, BatchStats& sums);

/// The same for sums taken elsewhere. Integers: the order does not matter.
void add_sums(const BatchStats& part, BatchStats& sums);

}  // namespace tollgate::kernels
