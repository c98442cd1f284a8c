#pragma once
/// What matters of a trace for the cost of a step: skew by batch size, and correlation.

#include <cstdint>
#include <vector>

#include "kernels/trace/trace.h"

namespace tollgate::kernels {

struct TraceStatisticsOptions {
  std::vector<int> batch_sizes = {8, 16, 32, 64, 128, 256, 512, 1024, 2048};
  std::vector<int> rank_counts = {8, 16};  ///< contiguous placement, as RoutingProblem::rank_counts
  int samples = 32;                        ///< batches per layer, size and kind
  std::uint64_t seed = 1;                  ///< which batches; equal layouts draw equal positions
  int skip_tokens = 20;      ///< tokens left out of the lags at the beginning of every sequence
  bool cross_layer = false;  ///< also `cross_layer`; costs tokens * experts * top_k per layer
};

/// Skew of a batch of one size; means over layers and samples.
struct BatchSkew {
  int batch_size = 0;
  double max_over_mean = 0;  ///< fullest expert / mean load per expert
  double cv = 0;             ///< standard deviation / mean of the loads of all experts
  double distinct = 0;       ///< experts with at least one token
  std::vector<double> rank_max_over_mean;  ///< as rank_counts: fullest rank / mean load per rank
};

/// Means over layers. An overlap is the share of a token's experts that another token has too;
/// domains count equally, whatever their number of tokens. Not a number where a trace has no such
/// pair of tokens.
struct TraceStatistics {
  /// Random tokens, each from a random domain: a decode batch of mixed traffic.
  std::vector<BatchSkew> mixed;
  /// Random tokens of one domain.
  std::vector<BatchSkew> single_domain;
  /// A contiguous run of tokens that continues with the next sequences of the same domain: a
  /// prefill chunk.
  std::vector<BatchSkew> prefill;

  double lag1 = 0;           ///< overlap with the token before
  double lag2 = 0;           ///< with the one before that
  double lag64 = 0;          ///< with the one 64 before
  double same_sequence = 0;  ///< two different tokens of one sequence
  double same_domain = 0;    ///< tokens of two sequences of one domain
  double cross_domain = 0;   ///< tokens of two domains

  /// CV of the loads over all tokens, domains equally weighted; mean over layers. And the same of
  /// the tokens of single domains.
  double mixed_cv = 0;
  double domain_cv = 0;
  /// Standard deviation over layers of the log of the layer's domain_cv.
  double layer_spread = 0;

  /// Share of the experts at layer l + 1 found by summing, over the token's experts at layer l, how
  /// often each expert of layer l + 1 went with them; learnt on the even sequences, tested on the
  /// odd ones. And found by always naming the most frequent ones. Not a number if not asked for.
  double cross_layer = 0;
  double cross_layer_marginal = 0;
};

/// Deterministic for any thread count. Throws std::invalid_argument for an empty trace, a domain
/// without tokens or senseless options.
TraceStatistics trace_statistics(const RoutingTrace& trace,
                                 const TraceStatisticsOptions& options = {});

}  // namespace tollgate::kernels
