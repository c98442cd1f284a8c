#pragma once
/// Counts the windows of a token stream.

#include <cstdint>
#include <vector>

#include "kernels/core/window_stats.h"
#include "kernels/problem.h"

namespace tollgate::kernels {

/// Reusable counters for one thread.
class WindowCounter {
 public:
  explicit WindowCounter(const RoutingProblem& problem);

  /// Fills the record of one window, and one rank record per rank count, from its expert ids.
  void count(const std::uint16_t* ids, int assignments, WindowRecord& window, RankRecord* ranks);

  /// Sum over tokens of the number of distinct destination ranks; added to one entry of `sums` per
  /// rank count.
  void count_destinations(const std::uint16_t* ids, int tokens, std::int64_t* sums);

 private:
  struct Unit {
    std::int32_t load, distinct;
  };

  /// Long windows: scan all experts. Short ones: look only at the touched experts.
  void count_all(const std::uint16_t* ids, int assignments, WindowRecord& window,
                 RankRecord* ranks);
  void count_touched(const std::uint16_t* ids, int assignments, WindowRecord& window,
                     RankRecord* ranks);
  RankRecord touched_ranks(int distinct, const std::uint16_t* rank_of);

  /// Distinct ranks of one token, zero experts left out.
  int real_destinations(const std::uint16_t* chosen, const std::uint16_t* rank_of);

  int experts_;
  int top_k_;
  int zero_experts_;
  std::vector<int> rank_counts_;
  int unit_;  ///< experts; divides every rank's block
  std::vector<Unit> units_;
  std::vector<std::uint16_t> rank_of_;   ///< [rank count][expert]
  std::vector<std::int32_t> tokens_of_;  ///< per expert; zero between calls
  std::vector<std::uint16_t> touched_;   ///< the experts with tokens
  std::vector<std::uint64_t> loads_;     ///< per rank: assignments << 32 | distinct experts
  std::vector<std::uint64_t> seen_;
  std::vector<std::uint16_t> real_;  ///< ids of a window without zero experts
};

}  // namespace tollgate::kernels
