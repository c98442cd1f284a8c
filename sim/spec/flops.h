#pragma once

#include "sim/spec/model_spec.h"

namespace tollgate {

/// Conventions of counting the work of one decoded token. A multiply-add is two FLOP everywhere.
struct DecodeCounting {
  double kv_bytes_per_element = 2;     ///< cached keys and values
  double index_bytes_per_element = 1;  ///< cached keys of a sparse-attention indexer
  double state_bytes_per_element = 8;  ///< recurrent state: read and write of fp32
  /// Recurrent state: decay, outer product of key and value, product with the query. Three
  /// multiply-adds per element.
  double flops_per_state_element = 6;
  /// Latent attention multiplies the weights with the latent (kv_lora_rank). True: with the whole
  /// cached vector, rotary key included, as the Step-3 paper counts.
  bool latent_value_with_rope = false;
};

/// The counting of the Step-3 paper (arXiv 2507.19427, tables 2 and 3): one byte per cached
/// element, latent attention as if it had one KV head of 576, ten FLOP per element of a lightning
/// state. What the paper leaves out is left out by DecodeWork too: embedding and LM head, routers,
/// norms, biases and short convolutions.
DecodeCounting step3_counting();

/// Work of one decoded token at a context length.
struct DecodeWork {
  double attention_flops = 0;  ///< scores, weighted sum, indexer scores, state updates
  double linear_flops = 0;     ///< projections of the mixers (mla: both latent up-projections too)
  double ffn_flops = 0;        ///< dense, shared and chosen experts; latent projections, no router
  double cache_bytes = 0;  ///< keys, values, index keys and states that are read (states: written)

  DecodeWork& operator+=(const DecodeWork& other);
};

/// Work of one mixer. `context` >= 0 counts the cached tokens, the new one included. A window or
/// chunk limits them (the chunk taken as full), compression divides them, an indexer reads all
/// index keys and then `top_k` positions.
DecodeWork attention_work(const AttentionSpec& attention, int hidden, double context,
                          const DecodeCounting& counting);

/// Work of one feed-forward part: of top_k choices those that fall on zero experts cost nothing.
DecodeWork ffn_work(const FfnSpec& ffn, int hidden);

/// Work of all layers, MTP modules left out. A closed model has no layers and gives zeros. Throws
/// std::invalid_argument when `context` is negative or not finite.
DecodeWork decode_work(const LlmSpec& model, double context, const DecodeCounting& counting);

}  // namespace tollgate
