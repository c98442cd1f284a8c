#include "kernels/tbb/window_counter.h"

#include <algorithm>

#include "kernels/core/shape.h"

namespace tollgate::kernels {

WindowCounter::WindowCounter(const RoutingProblem& problem)
    : experts_(problem.experts),
      top_k_(problem.gate.top_k),
      rank_counts_(problem.rank_counts),
      tokens_of_(problem.experts),
      touched_(problem.experts + 1) {
  int most_ranks = 0;
  for (const int ranks : rank_counts_) {
    most_ranks = std::max(most_ranks, ranks);
    for (int e = 0; e < experts_; ++e) {
      rank_of_.push_back(static_cast<std::uint16_t>(e / experts_per_rank(experts_, ranks)));
    }
  }
  loads_.resize(most_ranks);
  seen_.resize((most_ranks + 63) / 64);
}

void WindowCounter::count(const std::uint16_t* ids, int assignments, WindowRecord& window,
                          RankRecord* ranks) {
  int distinct = 0;
  for (int i = 0; i < assignments; ++i) {
    const std::uint16_t e = ids[i];
    touched_[distinct] = e;
    distinct += tokens_of_[e]++ == 0 ? 1 : 0;
  }
  std::int32_t hottest = 0;
  for (int i = 0; i < distinct; ++i) hottest = std::max(hottest, tokens_of_[touched_[i]]);
  window = {hottest, distinct};
  for (std::size_t r = 0; r < rank_counts_.size(); ++r) {
    ranks[r] = count_ranks(distinct, rank_counts_[r], rank_of_.data() + r * experts_);
  }
  for (int i = 0; i < distinct; ++i) tokens_of_[touched_[i]] = 0;
}

/// Looks at the touched ranks only if these are fewer than all.
RankRecord WindowCounter::count_ranks(int distinct, int ranks, const std::uint16_t* rank_of) {
  std::uint64_t* loads = loads_.data();
  for (int i = 0; i < distinct; ++i) {
    const std::uint16_t e = touched_[i];
    loads[rank_of[e]] += (static_cast<std::uint64_t>(tokens_of_[e]) << 32) | 1;
  }
  std::uint64_t best = 0;  // assignments, then the lowest rank
  std::uint64_t max_distinct = 0;
  const auto look_at = [&](int rank) {
    best = std::max(best, (loads[rank] & 0xFFFFFFFF00000000u) | static_cast<std::uint64_t>(0xFFFF - rank));
    max_distinct = std::max(max_distinct, loads[rank] & 0xFFFFFFFFu);
  };
  if (distinct < ranks) {
    for (int i = 0; i < distinct; ++i) look_at(rank_of[touched_[i]]);
  } else {
    for (int rank = 0; rank < ranks; ++rank) look_at(rank);
  }
  const int busiest = 0xFFFF - static_cast<int>(best & 0xFFFF);
  const auto busiest_distinct = static_cast<std::int32_t>(loads[busiest] & 0xFFFFFFFFu);
  std::int32_t rows64 = 0;
  std::int32_t rows128 = 0;
  for (int i = 0; i < distinct; ++i) {
    const std::uint16_t e = touched_[i];
    const std::int32_t mine = rank_of[e] == busiest ? -1 : 0;
    rows64 += ((tokens_of_[e] + 63) & ~63) & mine;
    rows128 += ((tokens_of_[e] + 127) & ~127) & mine;
    loads[rank_of[e]] = 0;
  }
  return {static_cast<std::int32_t>(best >> 32), busiest_distinct,
          static_cast<std::int32_t>(max_distinct), rows64, rows128};
}

void WindowCounter::count_destinations(const std::uint16_t* ids, int tokens, std::int64_t* sums) {
  for (std::size_t r = 0; r < rank_counts_.size(); ++r) {
    const std::uint16_t* rank_of = rank_of_.data() + r * experts_;
    std::int64_t sum = 0;
    for (int token = 0; token < tokens; ++token) {
      const std::uint16_t* chosen = ids + static_cast<std::ptrdiff_t>(token) * top_k_;
      if (seen_.size() == 1) {
        std::uint64_t seen = 0;
        for (int i = 0; i < top_k_; ++i) seen |= std::uint64_t{1} << (rank_of[chosen[i]] & 63);
        sum += __builtin_popcountll(seen);
        continue;
      }
      for (int i = 0; i < top_k_; ++i) {
        std::uint64_t& word = seen_[rank_of[chosen[i]] / 64];
        const std::uint64_t bit = std::uint64_t{1} << (rank_of[chosen[i]] % 64);
        sum += (word & bit) == 0 ? 1 : 0;
        word |= bit;
      }
      for (int i = 0; i < top_k_; ++i) seen_[rank_of[chosen[i]] / 64] = 0;
    }
    sums[r] += sum;
  }
}

}  // namespace tollgate::kernels
