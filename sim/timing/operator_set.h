#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "sim/placement/sharding.h"
#include "sim/spec/scenario.h"
#include "sim/timing/routing_table.h"
#include "sim/timing/row_table.h"

namespace tollgate {

/// Contexts that occur and how often, tokens and shares; empty = only the mean is known.
struct ContextMix {
  struct Point {
    double context = 0;
    double share = 0;
  };
  std::vector<Point> decode;   ///< cached tokens of a sequence at a random decode step
  std::vector<Point> prefill;  ///< positions a random prompt token attends to

  struct Prompt {
    double computed = 0;  ///< tokens of it that are not found in the cache
    double context = 0;   ///< all its tokens
    double share = 0;     ///< of prompts
  };
  std::vector<Prompt> prompts;
};

/// Routing of one kind of expert layer at one number of ranks, for decode and for prompts.
struct LayerRouting {
  const RoutingTable* decode = nullptr;
  const RoutingTable* prefill = nullptr;
};
/// By FfnSpec index: the tables of every number of ranks; empty for dense layers.
struct FfnRouting {
  std::vector<RoutingTable> decode, prefill;
  std::shared_ptr<const RoutedLayer> routed = {};  ///< what they were made from
  LayerRouting at(int ranks) const;
};
using RoutingTables = std::vector<FfnRouting>;

/// Attention proper of the layers of one kind on one rank. Shapes are worked out for each step:
/// which columns a curve has follows from its kind.
struct AttentionCore {
  enum class Kind {
    gqa,         ///< prefill_attention, decode_attention
    latent,      ///< mla_prefill, mla_decode
    sparse,      ///< sparse_attention_module, projections included
    compressed,  ///< compressed_attention_module, projections included
    linear       ///< short_convolution and linear_attention
  };
  Kind kind = Kind::gqa;
  double times = 0;
  const StepCurve* decode = nullptr;
  const StepCurve* prefill = nullptr;
  /// latent: of prompts behind 1 to `absorbed_below` cached positions, absorbed; null: as `prefill`
  const StepCurve* absorbed_prefill = nullptr;
  double absorbed_below = 0;
  const StepCurve* dense_prefill = nullptr;       ///< sparse: of prompts up to top-k; null: none
  double dense_hidden = 0;                        ///< as `prefill_hidden`
  const StepCurve* decode_convolution = nullptr;  ///< linear; null: none
  const StepCurve* prefill_convolution = nullptr;
  double prefill_launches = 1;  ///< kernels of `prefill` and of what prepares its inputs
  double prefill_hidden = 0;    ///< seconds of the launch of `prefill` that the host spends ahead
  double heads = 0, kv_heads = 0, head_dim = 0;
  std::array<double, 6> rest{};  ///< columns of the curve after those of the batch and heads
  double channels = 0;           ///< of the short convolution

  double window = 0;        ///< most recent positions seen; 0 = all
  double compression = 1;   ///< beyond the window one position per so many tokens
  double sparse_top_k = 0;  ///< positions kept by an indexer; 0 = dense
  /// Prompts that fit the indexer, which dense attention computes, and the others: their share, and
  /// how their computed tokens and positions compare with the means over all. Shares of 0: one step
  /// is all of one kind.
  struct Side {
    double share = 0, rows = 1, context = 1;
  };
  Side dense_side, sparse_side;
  /// Mean positions seen over those at the mean context, at most 1: windows and top-k cut long
  /// contexts, not the average one.
  double decode_shrink = 1, prefill_shrink = 1;
  double latent_width = 1;  ///< cached elements of a position over those the curve is for
  /// Roofline seconds of arithmetic over those of reading the cache, which tell the limit.
  double decode_intensity = 0;

  /// Cached positions read at a context.
  double seen(double context) const;
};

struct ExpertLayer {
  double layers = 0;
  LayerRouting routing;
  double top_k = 0, ranks = 1;
  double experts = 0;  ///< on a rank
  const StepCurve* curve = nullptr;
  double hidden = 0, inter = 0, gated = 1;
  double launches = 1;  ///< of `curve`, each host_per_call
  double compute_per_row = 0, weight_seconds = 0, memory_per_row = 0;  ///< roofline

  /// Dispatch and combine between groups of data-parallel attention; null: none, or tokens are
  /// gathered and their sums scattered, which goes by rows alone (OperatorSet::per_token).
  const StepCurve* out = nullptr;  ///< of steps with prompts
  const StepCurve* back = nullptr;
  const StepCurve* fast_out = nullptr;
  const StepCurve* fast_back = nullptr;    ///< low latency, of decode steps
  double exchange_ranks = 1, senders = 1;  ///< ranks; ranks among which a group's rows are spread
  double exchange_top_k = 0;  ///< choices that as many uniform ones would reach as many ranks as
  double fast_top_k = 0;
  bool tokens_everywhere = true;  ///< every rank holds every token before the experts
};

/// The operators of some layers with everything worked out that does not depend on the batch.
struct OperatorSet {
  RowTable per_token;  ///< rows = tokens of one data-parallel group
  RowTable per_logit;  ///< rows = sampled positions of one group
  std::vector<AttentionCore> cores;
  std::vector<ExpertLayer> experts;
  double calls = 0;  ///< kernels launched by a step with prompts
  /// What is left to launch where the decoder but for attention is in graphs, those included.
  double piecewise_calls = 0;
};

/// Curves used under the names that a reader knows them by, such as "experts".
using UsedCurves = std::set<std::pair<std::string, const StepCurve*>>;

/// What operators are built from.
struct OperatorContext {
  const LlmSpec& model;
  const EngineCurves& curves;
  const Deployment& deployment;
  const PrecisionMap& precision;
  const RoutingTables& routing;
  const ContextMix& contexts;
  UsedCurves& used;
};

/// How often each kind of part runs in one pass, by index into the model's attentions and ffns.
struct PassCount {
  std::map<int, double> attentions, ffns;
  void add(const LayerSpec& layer, double times);
};

/// Operators of a pass, LM head and sampling included; `joins` adds the product that joins the
/// embedding and the hidden state before a draft module. Formulas: docs/method.md, "Operators".
OperatorSet build_operators(const OperatorContext& context, const PassCount& count,
                            bool joins = false);

}  // namespace tollgate
