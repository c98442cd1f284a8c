// The published DeepEP table against bytes and bandwidth: which rows follow from them, and which do
// not (docs/method.md, "Bytes of dispatch"). Source: deepseek-ai/DeepEP, docs/legacy.md: H800, 400
// Gb/s network cards, hidden size 7168, top 8 of 256 experts, FP8 dispatch and BF16 combine.

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/dispatch/study.h"
#include "kernels/registry.h"

namespace tollgate::kernels {
namespace {

constexpr int hidden = 7168, top_k = 8, experts = 256, per_node = 8;
constexpr double nic = 50e9;  // bytes/s of 400 Gb/s

struct LowLatencyRow {
  int ranks;
  double dispatch_us, dispatch_gbs, combine_us, combine_gbs;
};
constexpr LowLatencyRow low_latency[] = {{8, 77, 98, 114, 127},   {16, 118, 63, 195, 74},
                                         {32, 155, 48, 273, 53},  {64, 173, 43, 314, 46},
                                         {128, 192, 39, 369, 39}, {256, 194, 39, 360, 40}};

double sent(std::int64_t row) { return 128.0 * top_k * static_cast<double>(row); }

TEST(DeepEpTable, LowLatencyBytesAreOneRowPerChoiceOnEveryRow) {
  const double dispatch =
      sent(dispatch_row_bytes(TransferMode::low_latency, RowFormat::fp8, hidden));
  const double combine = sent(combine_row_bytes(RowFormat::bf16, hidden));
  EXPECT_EQ(dispatch, 128 * 8 * 7408.0);
  EXPECT_EQ(combine, 128 * 8 * 14336.0);
  // Time times rate is bytes. Both are printed rounded: to 1 in 39 at the least, half of it 1.3 %.
  for (const LowLatencyRow& row : low_latency) {
    EXPECT_NEAR(row.dispatch_us * row.dispatch_gbs * 1e3 / dispatch, 1, 0.025) << row.ranks;
    EXPECT_NEAR(row.combine_us * row.combine_gbs * 1e3 / combine, 1, 0.025) << row.ranks;
  }
}

TEST(DeepEpTable, LowLatencyTimesFromFourNodesOnAreRemoteBytesOverOneRate) {
  // Uniform choices: what leaves the node is the share of ranks outside it. One rate, 0.77 of the
  // card, gives all eight times to 7 %; inside one or two nodes the cards are not the limit.
  const double bytes[] = {
      sent(dispatch_row_bytes(TransferMode::low_latency, RowFormat::fp8, hidden)),
      sent(combine_row_bytes(RowFormat::bf16, hidden))};
  for (const LowLatencyRow& row : low_latency) {
    const double remote = 1 - static_cast<double>(per_node) / row.ranks;
    const double published[] = {row.dispatch_us * 1e-6, row.combine_us * 1e-6};
    for (int i = 0; i < 2; ++i) {
      const double predicted = bytes[i] * remote / (0.77 * nic);
      if (row.ranks >= 32) {
        EXPECT_NEAR(predicted / published[i], 1, 0.07) << row.ranks << " ranks, column " << i;
      } else {
        EXPECT_LT(predicted, published[i]) << row.ranks << " ranks, column " << i;
      }
    }
  }
}

/// Distinct ranks and nodes of a token under uniform routing, the best 4 of 8 groups.
Spread spread_of(int ranks) {
  RoutingProblem problem;
  problem.experts = experts;
  problem.gate.score = ScoreFunction::sigmoid;
  problem.gate.groups = 8;
  problem.gate.groups_kept = 4;
  problem.gate.group_reduce = GroupReduce::top2_sum;
  problem.gate.top_k = top_k;
  problem.layers = 2;
  problem.tokens = 4096;
  const auto ids = find_backend("tbb").select(problem);
  const Placement placement = contiguous_placement(experts, experts, {ranks, per_node});
  StudyOptions options;
  options.batch_size = 4096;
  return study_dispatch({ids, 2, 4096, top_k}, {&placement, 1}, options).spread;
}

TEST(DeepEpTable, NormalModeCountsRowsToTheOwnNodeToo) {
  // 58 and 57 GB/s over a 50 GB/s card: rows that stay in the node are counted.
  for (const auto& [ranks, dispatch, combine] :
       {std::tuple{32, 58.0, 57.0}, std::tuple{64, 51.0, 50.0}}) {
    const Spread s = spread_of(ranks);
    EXPECT_TRUE(s.within(4)) << "the gate keeps to four nodes";
    const double remote = s.remote_nodes_per_token() / s.nodes_per_token();
    // What crosses the card is 0.85 to 0.90 of it: the 0.9 that the step model takes.
    for (const double rate : {dispatch, combine}) {
      EXPECT_GT(rate * 1e9 * remote / nic, 0.83) << ranks;
      EXPECT_LT(rate * 1e9 * remote / nic, 0.92) << ranks;
    }
  }
}

TEST(DeepEpTable, TwoNodesAreNotBoundByTheCards) {
  const Spread s = spread_of(16);
  const double remote = s.remote_nodes_per_token() / s.nodes_per_token();
  EXPECT_LT(43e9 * remote / nic, 0.5) << "less than half of the card is used";
  // The copies inside the node, against the 153 GB/s that eight ranks alone reach.
  const double inside = (s.ranks_per_token() - s.remote_nodes_per_token()) / s.nodes_per_token();
  EXPECT_GT(43 * inside, 0.5 * 153);
  EXPECT_LT(43 * inside, 153);
}

}  // namespace
}  // namespace tollgate::kernels
