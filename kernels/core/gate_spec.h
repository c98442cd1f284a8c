#pragma once
/// What a router ("gate") does with its logits: the parameters, no code.

namespace tollgate::kernels {

/// Limits of the engine. A problem beyond them is refused by `validate`.
inline constexpr int kMaxExperts = 1024;
inline constexpr int kMaxTopK = 32;
inline constexpr int kMaxGroups = 64;

/// The function from a logit x to a score.
///   softmax        exp(x) / sum exp(x)
///   sigmoid        1 / (1 + exp(-x))
///   sqrt_softplus  sqrt(log(1 + exp(x)))            (DeepSeek-V4)
///   identity       x
enum class ScoreFunction { softmax, sigmoid, sqrt_softplus, identity };

/// Whether scores are made before the top-k choice or only of the k chosen logits. All score
/// functions are increasing, so this changes the combine weights and never the choice.
enum class ScoreOrder { score_then_top_k, top_k_then_score };

/// Where a correction bias enters. `on_score`: experts are ranked on score + bias, while the
/// combine weight stays the score alone (DeepSeek-V3 "noaux_tc").
enum class BiasMode { none, on_score };

/// How a group of experts is valued in group-limited gates: by its best expert (DeepSeek-V2) or by
/// the sum of its two best (DeepSeek-V3).
enum class GroupReduce { max, top2_sum };

/// One gate. The default is softmax top-1 over ungrouped experts.
///
/// With `groups` > 1 the experts split into `groups` equal consecutive blocks; only the
/// `groups_kept` best-valued blocks take part in the choice of the `top_k` experts.
///
/// Ties: the lowest expert id and the lowest group id win, as in every public kernel.
struct GateSpec {
  ScoreFunction score = ScoreFunction::softmax;
  ScoreOrder order = ScoreOrder::score_then_top_k;
  BiasMode bias = BiasMode::none;
  int groups = 1;
  int groups_kept = 1;
  GroupReduce group_reduce = GroupReduce::max;
  int top_k = 1;
  bool renormalise = false;  ///< divide the k combine weights by their sum
  double scale = 1.0;        ///< multiplies the combine weights (routed_scaling_factor)
};

}  // namespace tollgate::kernels
