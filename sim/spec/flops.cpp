#include "sim/spec/flops.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "sim/spec/architecture.h"

namespace tollgate {
namespace {

/// Positions whose keys and values one query reads.
double positions_read(const AttentionSpec& a, double context) {
  const auto at_most = [](double value, int limit) {
    return limit > 0 ? std::min<double>(value, limit) : value;
  };
  if (a.compression > 1) {
    const double recent = a.window > 0 ? std::min<double>(context, a.window) : 0;
    return recent + at_most(context / a.compression, a.index.top_k);
  }
  return at_most(at_most(at_most(context, a.window), a.chunk), a.index.top_k);
}

double flops_per_position(const AttentionSpec& a, const DecodeCounting& counting) {
  const double heads = a.heads;
  if (a.kind == AttentionKind::mla) {
    const double key = a.kv_lora_rank + a.qk_rope_head_dim;
    const double value = counting.latent_value_with_rope ? key : a.kv_lora_rank;
    return 2 * heads * (key + value);
  }
  return 2 * heads * (a.head_dim + (a.v_head_dim > 0 ? a.v_head_dim : a.head_dim));
}

}  // namespace

DecodeCounting step3_counting() {
  DecodeCounting counting;
  counting.kv_bytes_per_element = 1;
  counting.flops_per_state_element = 10;
  counting.latent_value_with_rope = true;
  return counting;
}

DecodeWork& DecodeWork::operator+=(const DecodeWork& other) {
  attention_flops += other.attention_flops;
  linear_flops += other.linear_flops;
  ffn_flops += other.ffn_flops;
  cache_bytes += other.cache_bytes;
  return *this;
}

DecodeWork attention_work(const AttentionSpec& attention, int hidden, double context,
                          const DecodeCounting& counting) {
  const AttentionWeights weights = attention_weights(attention, hidden);
  const CacheShape shape = cache_shape(attention);
  DecodeWork work;
  work.linear_flops = 2 * (weights.query + weights.key_value + weights.output + weights.index);
  if (attention.kind == AttentionKind::linear) {
    work.attention_flops = counting.flops_per_state_element * shape.state;
    work.cache_bytes = counting.state_bytes_per_element * shape.state;
    return work;
  }
  const double positions = positions_read(attention, context);
  work.attention_flops = positions * flops_per_position(attention, counting);
  work.cache_bytes = positions * shape.kv_per_position * counting.kv_bytes_per_element;
  if (attention.index.top_k > 0 && attention.index.owns_cache) {
    const double keys = context / attention.compression;
    work.attention_flops += 2 * keys * attention.index.heads * attention.index.head_dim;
    work.cache_bytes += keys * shape.index_per_position * counting.index_bytes_per_element;
  }
  return work;
}

DecodeWork ffn_work(const FfnSpec& ffn, int hidden) {
  const FfnWeights weights = ffn_weights(ffn, hidden);
  DecodeWork work;
  work.ffn_flops = 2 * (weights.active(ffn) - weights.router);
  if (ffn.latent > 0) work.ffn_flops += 4.0 * hidden * ffn.latent;
  return work;
}

DecodeWork decode_work(const LlmSpec& model, double context, const DecodeCounting& counting) {
  if (!std::isfinite(context) || context < 0) {
    throw std::invalid_argument("decode_work: the context must be a number from 0 up.");
  }
  DecodeWork work;
  for (const LayerSpec& layer : model.layers) {
    if (layer.attention >= 0) {
      work += attention_work(model.attentions[static_cast<std::size_t>(layer.attention)],
                             model.hidden, context, counting);
    }
    for (const int ffn : layer.ffns) {
      work += ffn_work(model.ffns[static_cast<std::size_t>(ffn)], model.hidden);
    }
  }
  return work;
}

}  // namespace tollgate
