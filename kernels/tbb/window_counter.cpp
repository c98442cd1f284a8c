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
    const std::uint16_t* rank_of = rank_of_.data() + r * experts_;
    std::fill_n(loads_.begin(), rank_counts_[r], RankLoad{});
    for (int i = 0; i < distinct; ++i) {
      const std::uint16_t e = touched_[i];
      const std::int32_t n = tokens_of_[e];
      RankLoad& rank = loads_[rank_of[e]];
      rank.load += n;
      rank.distinct += 1;
      rank.rows64 += (n + 63) & ~63;
      rank.rows128 += (n + 127) & ~127;
    }
    const RankLoad* busiest = loads_.data();
    std::int32_t max_distinct = 0;
    for (int rank = 0; rank < rank_counts_[r]; ++rank) {
      if (loads_[rank].load > busiest->load) busiest = &loads_[rank];
      max_distinct = std::max(max_distinct, loads_[rank].distinct);
    }
    ranks[r] = {busiest->load, busiest->distinct, max_distinct, busiest->rows64, busiest->rows128};
  }
  for (int i = 0; i < distinct; ++i) tokens_of_[touched_[i]] = 0;
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
