#pragma once

#include <string_view>

namespace tollgate {

/// What the most loaded rank of an expert layer has to do.
struct RankLoad {
  double rows = 0;                             ///< assignments (token, expert) on the rank
  double active = 0;                           ///< distinct experts with at least one row
  double rows16 = 0, rows64 = 0, rows128 = 0;  ///< rows after padding every expert to whole tiles
};

/// Loads behind a row of published expert tables (aiconfigurator, collector/helper.py, described
/// from its text). `distribution` is "balanced" or "power_law_A" with exponent A.
///
/// Balanced: token t takes the experts t + i ceil(experts / top_k), spread over the stride when
/// there are fewer tokens than that; rank 0 is measured. Power law: loads of experts are drawn
/// independently from a density x^-A between 1 and 0.8 tokens (0.01 and 2 when there are fewer
/// assignments than experts), scaled to tokens x top_k, rounded, cut at one row per token; what is
/// missing or too much goes rank by rank to the emptiest or from the fullest expert. The rank with
/// the largest sum is measured. The tables average five draws; this is the mean of `draws` draws
/// with fixed seeds, so the same arguments always give the same loads.
///
/// Throws std::invalid_argument on an unknown distribution, or if ranks do not divide experts.
RankLoad published_load(int experts, int top_k, int ranks, int tokens,
                        std::string_view distribution, int draws = 12);

/// The same, kept: tables repeat loads over hidden sizes, precisions and backends. Thread safe.
const RankLoad& cached_published_load(int experts, int top_k, int ranks, int tokens,
                                      std::string_view distribution);

}  // namespace tollgate
