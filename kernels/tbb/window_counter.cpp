#include "kernels/tbb/window_counter.h"

#include <algorithm>
#include <numeric>

#include "kernels/core/shape.h"

namespace tollgate::kernels {

WindowCounter::WindowCounter(const RoutingProblem& problem)
    : experts_(problem.experts),
      top_k_(problem.gate.top_k),
      zero_experts_(problem.gate.zero_experts),
      rank_counts_(problem.rank_counts),
      unit_(0),
      tokens_of_(problem.experts),
      touched_(problem.experts + 1) {
  int most_ranks = 0;
  for (const int ranks : rank_counts_) {
    most_ranks = std::max(most_ranks, ranks);
    unit_ = std::gcd(unit_, experts_per_rank(experts_, ranks));
    for (int e = 0; e < experts_; ++e) {
      rank_of_.push_back(static_cast<std::uint16_t>(e / experts_per_rank(experts_, ranks)));
    }
  }
  if (unit_ == 0) unit_ = experts_;
  units_.resize((experts_ + unit_ - 1) / unit_);
  loads_.resize(most_ranks);
  seen_.resize((most_ranks + 63) / 64);
}

void WindowCounter::count(const std::uint16_t* ids, int assignments, WindowRecord& window,
                          RankRecord* ranks) {
  if (zero_experts_ > 0) {
    real_.resize(assignments);
    const auto end = std::copy_if(ids, ids + assignments, real_.begin(),
                                  [&](std::uint16_t e) { return e < experts_; });
    ids = real_.data();
    assignments = static_cast<int>(end - real_.begin());
  }
  if (4 * rank_counts_.size() * assignments > static_cast<std::size_t>(experts_)) {
    count_all(ids, assignments, window, ranks);
  } else {
    count_touched(ids, assignments, window, ranks);
  }
}

void WindowCounter::count_all(const std::uint16_t* ids, int assignments, WindowRecord& window,
                              RankRecord* ranks) {
  std::int32_t* tokens_of = tokens_of_.data();
  for (int i = 0; i < assignments; ++i) ++tokens_of[ids[i]];

  window = {0, 0, assignments};
  int e = 0;
  for (Unit& unit : units_) {
    std::int32_t load = 0;
    std::int32_t distinct = 0;
    std::int32_t hottest = 0;
    for (const int end = std::min(experts_, e + unit_); e < end; ++e) {
      load += tokens_of[e];
      distinct += tokens_of[e] > 0 ? 1 : 0;
      hottest = std::max(hottest, tokens_of[e]);
    }
    unit = {load, distinct};
    window.hottest_expert = std::max(window.hottest_expert, hottest);
    window.distinct_experts += distinct;
  }

  for (std::size_t r = 0; r < rank_counts_.size(); ++r) {
    const int block = experts_per_rank(experts_, rank_counts_[r]);
    const std::size_t units_per_rank = block / unit_;
    RankRecord record = {-1, 0, 0, 0, 0};
    int busiest = 0;
    for (std::size_t u = 0; u < units_.size(); u += units_per_rank) {
      Unit rank = {0, 0};
      for (std::size_t i = u; i < std::min(units_.size(), u + units_per_rank); ++i) {
        rank.load += units_[i].load;
        rank.distinct += units_[i].distinct;
      }
      if (rank.load > record.busiest_load) {
        record.busiest_load = rank.load;
        record.busiest_distinct = rank.distinct;
        busiest = static_cast<int>(u) * unit_;
      }
      record.max_distinct = std::max(record.max_distinct, rank.distinct);
    }
    std::int32_t rows64 = 0;
    std::int32_t rows128 = 0;
    for (int i = busiest; i < std::min(experts_, busiest + block); ++i) {
      rows64 += (tokens_of[i] + 63) & ~63;
      rows128 += (tokens_of[i] + 127) & ~127;
    }
    record.padded_rows_64 = rows64;
    record.padded_rows_128 = rows128;
    ranks[r] = record;
  }
  std::fill(tokens_of_.begin(), tokens_of_.end(), 0);
}

void WindowCounter::count_touched(const std::uint16_t* ids, int assignments, WindowRecord& window,
                                  RankRecord* ranks) {
  int distinct = 0;
  for (int i = 0; i < assignments; ++i) {
    const std::uint16_t e = ids[i];
    touched_[distinct] = e;
    distinct += tokens_of_[e]++ == 0 ? 1 : 0;
  }
  std::int32_t hottest = 0;
  for (int i = 0; i < distinct; ++i) hottest = std::max(hottest, tokens_of_[touched_[i]]);
  window = {hottest, distinct, assignments};
  for (std::size_t r = 0; r < rank_counts_.size(); ++r) {
    ranks[r] = touched_ranks(distinct, rank_of_.data() + r * experts_);
  }
  for (int i = 0; i < distinct; ++i) tokens_of_[touched_[i]] = 0;
}

RankRecord WindowCounter::touched_ranks(int distinct, const std::uint16_t* rank_of) {
  if (distinct == 0) return {0, 0, 0, 0, 0};
  std::uint64_t* loads = loads_.data();
  for (int i = 0; i < distinct; ++i) {
    const std::uint16_t e = touched_[i];
    loads[rank_of[e]] += (static_cast<std::uint64_t>(tokens_of_[e]) << 32) | 1;
  }
  std::uint64_t best = 0;  // assignments, then the lowest rank
  std::uint64_t max_distinct = 0;
  for (int i = 0; i < distinct; ++i) {
    const std::uint64_t rank = rank_of[touched_[i]];
    best = std::max(best, (loads[rank] & 0xFFFFFFFF00000000u) | (0xFFFF - rank));
    max_distinct = std::max(max_distinct, loads[rank] & 0xFFFFFFFFu);
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
      if (zero_experts_ > 0) {
        sum += real_destinations(chosen, rank_of);
        continue;
      }
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

int WindowCounter::real_destinations(const std::uint16_t* chosen, const std::uint16_t* rank_of) {
  int distinct = 0;
  for (int i = 0; i < top_k_; ++i) {
    if (chosen[i] >= experts_) continue;
    std::uint64_t& word = seen_[rank_of[chosen[i]] / 64];
    const std::uint64_t bit = std::uint64_t{1} << (rank_of[chosen[i]] % 64);
    distinct += (word & bit) == 0 ? 1 : 0;
    word |= bit;
  }
  for (int i = 0; i < top_k_; ++i) {
    if (chosen[i] < experts_) seen_[rank_of[chosen[i]] / 64] = 0;
  }
  return distinct;
}

}  // namespace tollgate::kernels
