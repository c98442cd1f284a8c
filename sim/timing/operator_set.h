#pragma once

#include <map>
#include <memory>
#include <vector>

#include "sim/placement/sharding.h"
#include "sim/spec/scenario.h"
#include "sim/timing/compute_path.h"
#include "sim/timing/routing_table.h"

namespace tollgate {

/// Operator classes of the breakdown; each has its own fitted error.
enum class OperatorClass {
  gemm,
  experts,
  attention,
  linear_attention,
  elementwise,
  collective,
  host
};
inline constexpr std::size_t operator_classes = 7;
std::string_view to_string(OperatorClass operator_class);

/// Contexts that occur and how often, tokens and shares; empty = only the mean is known.
struct ContextMix {
  struct Point {
    double context = 0;
    double share = 0;
  };
  std::vector<Point> decode;   ///< cached tokens of a sequence at a random decode step
  std::vector<Point> prefill;  ///< positions a random prompt token attends to
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

/// t(rows) = launch + max(rows x compute_per_row, memory_fixed + rows x memory_per_row), seconds.
struct RowOperator {
  OperatorClass operator_class = OperatorClass::gemm;
  double launch = 0;
  double compute_per_row = 0;
  double memory_fixed = 0;
  double memory_per_row = 0;
  double log_sd = 0;
  Provenance provenance = Provenance::assumed;
};

/// Attention proper of the layers of one kind; times are seconds per unit of work on one rank.
struct AttentionCore {
  bool linear = false;
  double window = 0;        ///< most recent positions seen; 0 = all
  double compression = 1;   ///< beyond the window one position per so many tokens
  double sparse_top_k = 0;  ///< positions kept by an indexer; 0 = dense
  double decode_launch = 0, decode_compute = 0, decode_memory = 0;     ///< per (sequence, position)
  double decode_state = 0;                                             ///< linear: per sequence
  double prefill_launch = 0, prefill_compute = 0, prefill_memory = 0;  ///< per (token, position)
  double sparse_compute = 0,
         sparse_memory = 0;  ///< prefill through an indexer: per (token, position)
  double prefill_token = 0;  ///< linear: per token
  double index_compute = 0, index_memory = 0;  ///< sparse: per (query, position)
  /// Mean positions seen over those at the mean context, at most 1: windows and top-k cut long
  /// contexts, not the average one.
  double decode_shrink = 1, prefill_shrink = 1;
  double decode_log_sd = 0, prefill_log_sd = 0;
  Provenance decode_provenance = Provenance::assumed, prefill_provenance = Provenance::assumed;

  /// Cached positions read at a context.
  double seen(double context) const;
};

struct ExpertLayer {
  double layers = 0;
  LayerRouting routing;
  double top_k = 0, ranks = 1;
  double launch = 0;
  double compute_per_row = 0;  ///< seconds per assignment
  double weight_seconds = 0;   ///< seconds to read one expert
  double memory_per_row = 0;   ///< seconds per assignment
  bool exchange = false;
  double exchange_launch = 0;
  double exchange_per_prompt = 0, exchange_per_decode = 0;  ///< seconds per token of one group
  double log_sd = 0, exchange_log_sd = 0;
  Provenance provenance = Provenance::assumed, exchange_provenance = Provenance::assumed;
};

/// The operators of some layers with everything worked out that does not depend on the batch.
struct OperatorSet {
  std::vector<RowOperator> per_token;  ///< rows = tokens of one data-parallel group
  std::vector<RowOperator> per_logit;  ///< rows = sampled positions of one group
  std::vector<AttentionCore> cores;
  std::vector<ExpertLayer> experts;
};

/// What operators are built from.
struct OperatorContext {
  const LlmSpec& model;
  const HardwareSpec& hardware;
  const Deployment& deployment;
  const PrecisionMap& precision;
  const RoutingTables& routing;
  const ContextMix& contexts;
};

/// How often each kind of part runs in one pass, by index into the model's attentions and ffns.
struct PassCount {
  std::map<int, double> attentions, ffns;
  void add(const LayerSpec& layer, double times);
};

/// Operators of a pass, LM head and sampling included. Operators of a class that are linear in the
/// rows are merged, so that a pass stays about a dozen entries. Formulas: docs/method.md,
/// "Operators".
OperatorSet build_operators(const OperatorContext& context, const PassCount& count);

/// One more matrix product per token, such as the projection of a draft module.
RowOperator matrix_operator(const OperatorContext& context, const Matrix& matrix, double times);

}  // namespace tollgate
