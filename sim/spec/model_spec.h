#pragma once

#include <string>
#include <vector>

#include "sim/spec/precision.h"

namespace tollgate {

/// A published figure and where it was read; a spec without sources is refused.
struct Source {
  std::string what;  ///< what was taken from there
  std::string from;  ///< document, repository and commit, or page
  std::string date;  ///< ISO date of the source or of its reading
  Places places;
};

/// Indexer of a sparse attention: scores all cached positions cheaply, keeps `top_k` of them.
/// DeepSeek-V3.2 DSA, DeepSeek-V4 c4a, MiniMax-M3 MSA. `top_k` 0 means: no indexer.
struct SparseIndex {
  int heads = 0;           ///< index query heads
  int head_dim = 0;        ///< width of an index key; one key per (compressed) position is cached
  int top_k = 0;           ///< positions kept per query, counted in cached positions
  bool owns_cache = true;  ///< false: this layer re-uses the choice of an earlier layer
  Places places;
};

enum class AttentionKind { gqa, mla, linear };
enum class LinearKind { gated_deltanet, kda, mamba2, lightning };

/// What a share of memory is a share of: all of a device's, or what weights, workspace and runtime
/// leave of it.
enum class MemoryBase { device, free };

/// What layers with a sliding window keep in the cache.
enum class WindowCache { engine_default, window, sequence };

/// One kind of token mixer; a model has one entry per distinct kind and layers refer to it by name.
struct AttentionSpec {
  std::string name;
  AttentionKind kind = AttentionKind::gqa;

  // gqa (MHA, GQA, MQA, MFA, shared-KV MQA) and mla
  int heads = 0;
  int kv_heads = 0;     ///< gqa
  int head_dim = 0;     ///< gqa: width of Q and K
  int v_head_dim = 0;   ///< 0 = head_dim (gqa); mla: width of V per head
  int q_lora_rank = 0;  ///< low-rank Q projection (mla, MFA, DeepSeek-V4); 0 = full rank
  bool shared_kv =
      false;            ///< gqa: K and V are one cached vector (DeepSeek-V4); gemma k_eq_v: false
  bool k_eq_v = false;  ///< gqa: V is computed by K's projection (Gemma 4 global layers)
  bool output_gate = false;  ///< a gate of heads x v_head_dim beside Q (Qwen3.5); linear kda: its
                             ///< gate has full rank (Kimi K3), else it is low rank (Kimi Linear)
  bool bias = false;         ///< biases on Q, K, V (and O): parameters only
  bool qk_norm = false;
  int o_groups = 0;  ///< grouped low-rank output projection (DeepSeek-V4)
  int o_lora_rank = 0;

  // mla
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;

  // which positions are seen
  int window = 0;  ///< sliding window in tokens; 0 = all
  int chunk = 0;   ///< chunked attention (Llama 4): positions of the same chunk; 0 = all
  int compression =
      1;  ///< cached positions are every n-th, pooled (DeepSeek-V4 4 or 128), beside `window`
  SparseIndex index;

  // linear
  LinearKind linear = LinearKind::gated_deltanet;
  int qk_heads = 0;     ///< linear: key heads (mamba2: groups)
  int v_heads = 0;      ///< linear: value heads (mamba2: heads)
  int qk_head_dim = 0;  ///< linear: key width (mamba2: state size)
  int conv_kernel = 0;  ///< short convolution; 0 = none

  Places places;
};

enum class FfnKind { dense, moe };
enum class GateScore { softmax, sigmoid, sqrt_softplus };
enum class GateOrder { score_then_top_k, top_k_then_score };
enum class GateBias { on_score, on_logit, on_logit_and_weight };
enum class GroupValue { max, top2_sum };

/// How the router chooses; see kernels/core/gate.h for the arithmetic.
struct RouterSpec {
  GateScore score = GateScore::softmax;
  GateOrder order = GateOrder::score_then_top_k;
  bool bias = false;                        ///< a bias takes part in the choice ...
  GateBias bias_mode = GateBias::on_score;  ///< ... here
  int groups = 1;                           ///< expert groups (DeepSeek-V3: 8)
  int groups_kept = 1;
  GroupValue group_value = GroupValue::max;  ///< what a group is ranked on
  bool each_group = false;  ///< top_k / groups experts from every group (Pangu Pro MoE)
  bool renormalise = true;
  bool expert_scale = false;  ///< a learned factor per expert on the weight (Gemma-4)
  double scale = 1;           ///< routed scaling factor
  bool hash = false;          ///< chosen by a token-id table (DeepSeek-V4 first layers)
  Places places;
};

/// One kind of feed-forward layer.
struct FfnSpec {
  std::string name;
  FfnKind kind = FfnKind::dense;
  int intermediate = 0;  ///< width of one (expert's) hidden layer
  bool gated = true;     ///< SwiGLU-like, three matrices; false: two
  bool bias = false;

  // moe
  int experts = 0;       ///< routed experts with weights
  int zero_experts = 0;  ///< identity experts (LongCat-Flash): routed to, no weights, no work
  int top_k = 0;
  int shared_experts = 0;  ///< always-on experts ...
  int shared_intermediate =
      0;  ///< ... total hidden width of all of them; 0 = shared_experts x intermediate
  bool shared_gate = false;  ///< scalar sigmoid gate on the shared expert (Qwen)
  int latent = 0;            ///< experts work in this width instead of hidden (Kimi K3, Nemotron-3)
  RouterSpec router;

  Places places;
};

/// One layer: at most one mixer, then any number of feed-forward parts side by side.
struct LayerSpec {
  int attention = -1;     ///< index into LlmSpec::attentions, -1 = none
  std::vector<int> ffns;  ///< indices into LlmSpec::ffns; more than one run in parallel
};

/// Multi-token-prediction modules shipped with the weights.
struct MtpSpec {
  int modules = 0;
  LayerSpec layer;  ///< the transformer layer of one module
  Places places;
};

/// A checkpoint of the model in another number format than the shipped one, as it is published.
struct ReleaseSpec {
  Precision format = Precision::bf16;
  std::vector<std::string> kept;  ///< classes that stay in bf16, as PrecisionMap names them
  bool scales_per_block = false;  ///< a scale per block of 128 x 128 weights, not per tensor
  std::string from;               ///< where that was read
  Places places;
  bool keeps(std::string_view tensor_class) const;
};

/// What the publisher states, to check ours against.
struct PublishedFigures {
  double total_parameters = 0;  ///< 0 = not stated
  double active_parameters = 0;
  bool active_counts_embeddings = true;  ///< does `active_parameters` count embedding and LM head
  bool active_counts_lm_head =
      false;                      ///< counts the LM head alone, where embeddings are not counted
  double kv_bytes_per_token = 0;  ///< in the cache precision of the spec; 0 = not stated
  Places places;
};

/// A model's architecture, complete enough to count every weight, FLOP and cached byte.
/// Closed models carry `closed = true`, no layers, and can only be priced.
struct LlmSpec {
  std::string name;
  std::string organisation;
  std::string family;    ///< routing defaults are chosen by it (models/routing)
  std::string released;  ///< ISO date or month
  bool closed = false;
  int hidden = 0;
  int vocab = 0;
  long long context = 0;  ///< longest context, tokens
  bool tied_embeddings = false;
  int hyper_connections =
      1;  ///< residual streams (DeepSeek-V4 mHC 4): widens norms and residuals only
  double other_parameters =
      0;  ///< parameters outside the decoder (vision tower), resident, never active
  std::vector<AttentionSpec> attentions;
  std::vector<FfnSpec> ffns;
  std::vector<LayerSpec> layers;  ///< in order, expanded
  MtpSpec mtp;
  PrecisionMap precision;
  std::vector<ReleaseSpec> releases;
  PublishedFigures published;
  std::vector<Source> sources;
  std::vector<std::string> notes;

  Places places;

  /// Whether it is a mixture: some layer has routed experts.
  bool has_experts() const;

  /// The published checkpoint in a format; null if none is known.
  const ReleaseSpec* release(Precision format) const;
};

/// The formats of a deployment whose weights are in `format`: those of the published checkpoint;
/// without one every class of matrices that is shipped wider is narrowed, and embedding and router
/// stay.
PrecisionMap precision_in(const LlmSpec& model, Precision format);

}  // namespace tollgate
