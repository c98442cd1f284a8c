#pragma once

#include "sim/spec/model_spec.h"

namespace tollgate {

/// Weights of one attention of a model of width `hidden`, elements; norm vectors and biases
/// counted.
///
/// Shapes follow the published papers and reference code: gqa arXiv 2305.13245; mla arXiv
/// 2405.04434, section 2.1; low-rank queries over one key-value head (MFA) arXiv 2507.19427; the
/// indexer and the pooled shared cache the inference code of deepseek-ai/DeepSeek-V3.2-Exp and
/// DeepSeek-V4; gated_deltanet transformers' qwen3_next; kda arXiv 2510.26692; mamba2 arXiv
/// 2405.21060; lightning arXiv 2501.08313.
struct AttentionWeights {
  double query = 0;      ///< Q projection (both factors where it is low rank), output gate included
  double key_value = 0;  ///< K and V (mla: down- and up-projection)
  double output = 0;     ///< O projection (both factors where it is low rank)
  double index = 0;      ///< sparse-attention indexer
  double other = 0;      ///< norms, convolutions, decay and bias vectors
  double total() const { return query + key_value + output + index + other; }
};
AttentionWeights attention_weights(const AttentionSpec& attention, int hidden);

/// Weights of one feed-forward part, elements. Zero experts as in arXiv 2509.01322, section 2.1.
struct FfnWeights {
  double dense = 0;       ///< dense FFN
  double per_expert = 0;  ///< one routed expert
  double experts = 0;     ///< all routed experts
  double shared = 0;      ///< shared experts with their gate
  double router = 0;      ///< router matrix and bias; latent projections
  double total() const { return dense + experts + shared + router; }
  /// Used per token: everything, but only the routed experts a token goes to (zero experts cost
  /// nothing: of top_k choices a share experts / (experts + zero_experts) is real, in expectation).
  double active(const FfnSpec& ffn) const;
};
FfnWeights ffn_weights(const FfnSpec& ffn, int hidden);

/// Parameters of a model by class of tensor, elements.
struct ParameterCount {
  double embedding = 0;  ///< token embedding
  double lm_head = 0;    ///< 0 when tied
  double attention = 0;
  double dense_ffn = 0;
  double experts = 0;         ///< all routed experts
  double experts_active = 0;  ///< routed experts one token uses
  double shared_experts = 0;
  double router = 0;
  double norms = 0;  ///< layer norms and final norm
  double mtp = 0;    ///< multi-token-prediction modules (published totals leave them out)
  double other = 0;  ///< vision tower and the like
  /// Everything resident except MTP and `other`: what publishers call total parameters.
  double total() const;
  /// Used per token. Publishers differ on counting embedding and LM head: say which.
  double active(bool count_embeddings) const;
};
ParameterCount count_parameters(const LlmSpec& model);

/// Bytes of all weights as stored: each class in its own precision. MTP and `other` reported apart.
struct WeightBytes {
  double embedding = 0, attention = 0, dense_ffn = 0, experts = 0, shared_experts = 0, router = 0,
         mtp = 0, other = 0;
  double total() const;
};
WeightBytes weight_bytes(const LlmSpec& model, const PrecisionMap& precision);

/// What one sequence keeps in one layer, in elements.
struct CacheShape {
  double kv_per_position = 0;     ///< K and V (mla: latent and rotary key) of one cached position
  double index_per_position = 0;  ///< index keys of one cached position
  double state = 0;               ///< recurrent state, fixed per sequence
  double conv_state = 0;          ///< short-convolution history (bf16), fixed per sequence
  int window = 0;       ///< > 0: only the last `window` (chunk: at most `chunk`) positions are kept
  int compression = 1;  ///< one cached position per so many tokens beyond the window
};
CacheShape cache_shape(const AttentionSpec& attention);

/// Bytes one sequence of `context` tokens keeps over all layers.
struct SequenceBytes {
  double kv = 0;
  double index = 0;
  double state = 0;
  double total() const { return kv + index + state; }
};
SequenceBytes sequence_bytes(const LlmSpec& model, const PrecisionMap& precision, double context);

/// Growth of the cache per token of a long context (windows full), bytes: what papers call KV bytes
/// per token. DeepSeek-V3 in bf16: 61 x 576 x 2 = 70,272 B (arXiv 2505.09343, table 1).
double kv_bytes_per_token(const LlmSpec& model, const PrecisionMap& precision,
                          WindowCache window_cache = WindowCache::window);

}  // namespace tollgate
