#pragma once
/// What a router ("gate") does with its logits: the parameters, no code.

namespace tollgate::kernels {

/// Limits of the engine. A problem beyond them is refused by `validate`.
inline constexpr int kMaxExperts = 1024;  ///< zero experts included
inline constexpr int kMaxTopK = 32;
inline constexpr int kMaxGroups = 64;
inline constexpr int kMaxSharedSlots = 64;

/// The function from a logit x to a score.
///   softmax        exp(x) / sum exp(x)
///   sigmoid        1 / (1 + exp(-x))
///   sqrt_softplus  sqrt(log(1 + exp(x)))            (DeepSeek-V4)
///   identity       x
enum class ScoreFunction { softmax, sigmoid, sqrt_softplus, identity };

/// Whether scores are made before the top-k choice or only of the k chosen logits. All score
/// functions are increasing, so this changes the combine weights and never the choice.
enum class ScoreOrder { score_then_top_k, top_k_then_score };

/// Where a correction bias b enters. With softmax scores the public kernels differ, so the reading
/// is part of the gate:
///
///   mode                 ranked on      weight        read in
///   on_score             score(x) + b   score(x)      vLLM router/grouped_topk_router.py and
///                                                     zero_expert_router.py (DeepSeek-V3
///                                                     "noaux_tc", DeepSeek-V4, LongCat-Flash)
///   on_logit             x + b          score(x)      DeepSeek TileKernels moe/topk_gate_kernel.py
///   on_logit_and_weight  x + b          score(x + b)  SGLang moe_fused_gate.py; also a router
///   whose
///                                                     linear layer has a bias (gpt-oss)
enum class BiasMode { none, on_score, on_logit, on_logit_and_weight };

/// How a group of experts is valued in group-limited gates: by its best expert (DeepSeek-V2) or by
/// the sum of its two best (DeepSeek-V3). Equal experts count twice, as in torch.topk(2), vLLM and
/// TileKernels. What is summed is what experts are ranked on: score + bias, or x + b if the bias is
/// on the logit.
enum class GroupReduce { max, top2_sum };

/// One gate. The default is softmax top-1 over ungrouped experts.
///
/// A layer has experts 0..E-1 with weights and, from E on, `zero_experts` identity experts that
/// take part in the choice but compute nothing and are not dispatched to (LongCat-Flash).
///
/// With `groups` > 1 the experts split into `groups` equal consecutive blocks; only the
/// `groups_kept` best-valued blocks take part in the choice of the `top_k` experts.
///
/// With `each_group` every group gives its best top_k / groups experts, group after group (Pangu
/// Pro MoE, "mixture of grouped experts", arXiv 2505.21411), so that ranks that hold whole groups
/// are balanced.
///
/// With `hash` no logit decides: the experts are looked up by token id (DeepSeek-V4's first layers;
/// see core/hash_routing.h), and logits only make the combine weights.
///
/// With `shared_slots` the ids E + zero_experts + j, j = 0..shared_slots-1, follow every token's
/// choices, as SGLang fuses shared experts into the routed kernel. They are no choice: statistics
/// leave them out.
///
/// Ties: the lowest expert id and the lowest group id win, as in every public kernel.
struct GateSpec {
  ScoreFunction score = ScoreFunction::softmax;
  ScoreOrder order = ScoreOrder::score_then_top_k;
  BiasMode bias = BiasMode::none;
  int groups = 1;
  int groups_kept = 1;
  GroupReduce group_reduce = GroupReduce::max;
  bool each_group = false;  ///< top_k / groups experts from every group
  int top_k = 1;
  int zero_experts = 0;       ///< identity experts among the choices
  bool hash = false;          ///< choose by token id
  int shared_slots = 0;       ///< shared experts appended to every token's choices
  bool renormalise = false;   ///< divide the k combine weights by their sum
  bool expert_scale = false;  ///< a factor per expert on the combine weight (Gemma-4)
  double scale = 1.0;         ///< multiplies the combine weights (routed_scaling_factor)

  /// Entries per token in what `RoutingBackend::select` returns.
  constexpr int slots() const { return top_k + shared_slots; }
};

}  // namespace tollgate::kernels
