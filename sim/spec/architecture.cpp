#include "sim/spec/architecture.h"

#include <algorithm>

namespace tollgate {
namespace {

constexpr double bf16_bytes = 2;

int value_width(const AttentionSpec& a) { return a.v_head_dim > 0 ? a.v_head_dim : a.head_dim; }

/// Pooling of DeepSeek-V4: value and gate projections, twice as wide where windows of the pool
/// overlap (ratio 4), a positional table and a norm.
double compressor_weights(int compression, double width, double hidden) {
  if (compression <= 1) return 0;
  const double overlapped = compression == 4 ? 2 * width : width;
  return 2 * hidden * overlapped + compression * overlapped + width;
}

double index_weights(const AttentionSpec& a, double hidden) {
  const SparseIndex& index = a.index;
  if (index.top_k == 0 || !index.owns_cache) return 0;
  const double from = a.q_lora_rank > 0 ? a.q_lora_rank : hidden;
  const double queries = from * index.heads * index.head_dim;
  const double head_weights = hidden * index.heads;
  const double keys = a.compression > 1 ? compressor_weights(a.compression, index.head_dim, hidden)
                                        : hidden * index.head_dim + 2.0 * index.head_dim;
  return queries + keys + head_weights;
}

AttentionWeights gqa_weights(const AttentionSpec& a, double hidden) {
  AttentionWeights w;
  const double q_width = static_cast<double>(a.heads) * a.head_dim;
  const double o_width = static_cast<double>(a.heads) * value_width(a);
  const double k_width = static_cast<double>(a.kv_heads) * a.head_dim;
  const double v_width = static_cast<double>(a.kv_heads) * value_width(a);
  const bool one_projection = a.shared_kv || a.k_eq_v;

  w.query = a.q_lora_rank > 0 ? a.q_lora_rank * (hidden + q_width) : hidden * q_width;
  if (a.output_gate) w.query += hidden * o_width;
  w.key_value = hidden * (one_projection ? k_width : k_width + v_width);
  w.key_value += compressor_weights(a.compression, k_width, hidden);
  w.output = a.o_groups > 0 ? a.o_lora_rank * (o_width + a.o_groups * hidden) : o_width * hidden;
  w.other = a.q_lora_rank;
  if (a.qk_norm) w.other += 2.0 * a.head_dim;
  if (a.bias) w.other += q_width + k_width + (one_projection ? 0 : v_width) + hidden;
  return w;
}

AttentionWeights mla_weights(const AttentionSpec& a, double hidden) {
  AttentionWeights w;
  const double q_width = static_cast<double>(a.heads) * (a.qk_nope_head_dim + a.qk_rope_head_dim);
  const double o_width = static_cast<double>(a.heads) * a.v_head_dim;
  const double up_width = static_cast<double>(a.heads) * (a.qk_nope_head_dim + a.v_head_dim);

  w.query = a.q_lora_rank > 0 ? a.q_lora_rank * (hidden + q_width) : hidden * q_width;
  if (a.output_gate) w.query += hidden * o_width;
  w.key_value = hidden * (a.kv_lora_rank + a.qk_rope_head_dim) + a.kv_lora_rank * up_width;
  w.output = o_width * hidden;
  w.other = a.q_lora_rank + a.kv_lora_rank;
  return w;
}

/// Channels that pass the short convolution.
double conv_channels(const AttentionSpec& a) {
  const double qk = static_cast<double>(a.qk_heads) * a.qk_head_dim;
  const double v = static_cast<double>(a.v_heads) * a.v_head_dim;
  return a.conv_kernel > 0 ? 2 * qk + v : 0;
}

AttentionWeights linear_weights(const AttentionSpec& a, double hidden) {
  AttentionWeights w;
  const double qk = static_cast<double>(a.qk_heads) * a.qk_head_dim;
  const double v = static_cast<double>(a.v_heads) * a.v_head_dim;
  const double heads = a.v_heads;
  const double conv = conv_channels(a) * a.conv_kernel;
  w.output = v * hidden;
  switch (a.linear) {
    case LinearKind::gated_deltanet:
      w.query = hidden * (qk + v);
      w.key_value = hidden * (qk + v + 2 * heads);
      w.other = conv + 2 * heads + a.v_head_dim;
      break;
    case LinearKind::kda: {
      const double rank = a.qk_head_dim;
      const double gate = a.output_gate ? hidden * v : rank * (hidden + v);
      const double decay = rank * (hidden + qk);
      w.query = hidden * qk + gate;
      w.key_value = hidden * (qk + v + heads) + decay;
      w.other = conv + heads + qk + a.v_head_dim;
      break;
    }
    case LinearKind::mamba2:
      w.query = hidden * (qk + v);
      w.key_value = hidden * (qk + v + heads);
      w.other = conv + conv_channels(a) + 3 * heads + v;
      break;
    case LinearKind::lightning:
      w.query = hidden * (qk + v);
      w.key_value = hidden * (qk + v);
      w.other = conv + v;
      break;
  }
  return w;
}

double ffn_matrices(const FfnSpec& ffn, double width, double intermediate) {
  const double inner = ffn.gated ? 2 : 1;
  const double weights = (inner + 1) * width * intermediate;
  return ffn.bias ? weights + inner * intermediate + width : weights;
}

struct LayerCount {
  double attention = 0, attention_small = 0;
  double dense_ffn = 0, experts = 0, experts_active = 0, shared = 0, router = 0;
  double norms = 0;
  double total() const { return attention + dense_ffn + experts + shared + router + norms; }
};

LayerCount count_layer(const LlmSpec& model, const LayerSpec& layer) {
  LayerCount count;
  const double hidden = model.hidden;
  const double streams = model.hyper_connections;
  const double parts = (layer.attention >= 0 ? 1 : 0) + (layer.ffns.empty() ? 0 : 1);
  count.norms = parts * hidden;
  if (streams > 1) count.norms += parts * (2 + streams) * streams * (streams * hidden + 1);
  if (layer.attention >= 0) {
    const auto weights = attention_weights(
        model.attentions[static_cast<std::size_t>(layer.attention)], model.hidden);
    count.attention = weights.total();
    count.attention_small = weights.other;
  }
  for (const int index : layer.ffns) {
    const FfnSpec& ffn = model.ffns[static_cast<std::size_t>(index)];
    const FfnWeights weights = ffn_weights(ffn, model.hidden);
    count.dense_ffn += weights.dense;
    count.experts += weights.experts;
    count.experts_active += weights.active(ffn) - weights.dense - weights.shared - weights.router;
    count.shared += weights.shared;
    count.router += weights.router;
  }
  return count;
}

/// Projection of (hidden, embedding) to hidden, and the norms of both and of the result.
double mtp_projection(double hidden) { return 2 * hidden * hidden; }
double mtp_norms(double hidden) { return 3 * hidden; }

double cached_positions(const CacheShape& shape, double context) {
  if (shape.compression > 1) {
    return std::min<double>(context, shape.window) + context / shape.compression;
  }
  return shape.window > 0 ? std::min<double>(context, shape.window) : context;
}

double indexed_positions(const CacheShape& shape, double context) {
  return context / shape.compression;
}

}  // namespace

AttentionWeights attention_weights(const AttentionSpec& attention, int hidden) {
  AttentionWeights weights;
  switch (attention.kind) {
    case AttentionKind::gqa:
      weights = gqa_weights(attention, hidden);
      break;
    case AttentionKind::mla:
      weights = mla_weights(attention, hidden);
      break;
    case AttentionKind::linear:
      return linear_weights(attention, hidden);
  }
  weights.index = index_weights(attention, hidden);
  return weights;
}

double FfnWeights::active(const FfnSpec& ffn) const {
  const double all = static_cast<double>(ffn.experts) + ffn.zero_experts;
  const double real = all > 0 ? ffn.top_k * (ffn.experts / all) : 0;
  return dense + shared + router + per_expert * real;
}

FfnWeights ffn_weights(const FfnSpec& ffn, int hidden) {
  FfnWeights weights;
  if (ffn.kind == FfnKind::dense) {
    weights.dense = ffn_matrices(ffn, hidden, ffn.intermediate);
    return weights;
  }
  const double width = ffn.latent > 0 ? ffn.latent : hidden;
  const double routed = static_cast<double>(ffn.experts) + ffn.zero_experts;
  const double shared_width = ffn.shared_intermediate > 0
                                  ? ffn.shared_intermediate
                                  : static_cast<double>(ffn.shared_experts) * ffn.intermediate;
  weights.per_expert = ffn_matrices(ffn, width, ffn.intermediate);
  weights.experts = weights.per_expert * ffn.experts;
  if (shared_width > 0) {
    weights.shared = ffn_matrices(ffn, hidden, shared_width) + (ffn.shared_gate ? hidden : 0);
  }
  weights.router = hidden * routed + (ffn.router.bias ? routed : 0);
  if (ffn.latent > 0) weights.router += 2.0 * hidden * ffn.latent;
  return weights;
}

double ParameterCount::total() const {
  return embedding + lm_head + attention + dense_ffn + experts + shared_experts + router + norms;
}

double ParameterCount::active(bool count_embeddings) const {
  const double layers = attention + dense_ffn + experts_active + shared_experts + router + norms;
  return count_embeddings ? layers + embedding + lm_head : layers;
}

ParameterCount count_parameters(const LlmSpec& model) {
  ParameterCount count;
  if (model.closed) return count;
  const double hidden = model.hidden;
  const double streams = model.hyper_connections;
  count.embedding = static_cast<double>(model.vocab) * hidden;
  count.lm_head = model.tied_embeddings ? 0 : count.embedding;
  count.norms = hidden;
  if (streams > 1) count.norms += streams * (streams * hidden + 1);
  for (const LayerSpec& layer : model.layers) {
    const LayerCount part = count_layer(model, layer);
    count.attention += part.attention;
    count.dense_ffn += part.dense_ffn;
    count.experts += part.experts;
    count.experts_active += part.experts_active;
    count.shared_experts += part.shared;
    count.router += part.router;
    count.norms += part.norms;
  }
  if (model.mtp.modules > 0) {
    count.mtp = model.mtp.modules * (count_layer(model, model.mtp.layer).total() +
                                     mtp_projection(hidden) + mtp_norms(hidden));
  }
  count.other = model.other_parameters;
  return count;
}

double WeightBytes::total() const {
  return embedding + attention + dense_ffn + experts + shared_experts + router + mtp + other;
}

WeightBytes weight_bytes(const LlmSpec& model, const PrecisionMap& precision) {
  WeightBytes bytes;
  if (model.closed) return bytes;
  const auto add = [&](const LayerSpec& layer, double times, WeightBytes& into) {
    const LayerCount part = count_layer(model, layer);
    const double small = part.attention_small + part.norms;
    into.attention +=
        times * ((part.attention - part.attention_small) * bytes_per_element(precision.attention) +
                 small * bf16_bytes);
    into.dense_ffn += times * part.dense_ffn * bytes_per_element(precision.dense_ffn);
    into.experts += times * part.experts * bytes_per_element(precision.experts);
    into.shared_experts += times * part.shared * bytes_per_element(precision.shared_experts);
    into.router += times * part.router * bytes_per_element(precision.router);
  };
  const ParameterCount count = count_parameters(model);
  bytes.embedding = (count.embedding + count.lm_head) * bytes_per_element(precision.embedding);
  double layer_norms = 0;
  for (const LayerSpec& layer : model.layers) {
    add(layer, 1, bytes);
    layer_norms += count_layer(model, layer).norms;
  }
  bytes.attention += (count.norms - layer_norms) * bf16_bytes;
  if (model.mtp.modules > 0) {
    WeightBytes module;
    add(model.mtp.layer, 1, module);
    bytes.mtp =
        model.mtp.modules *
        (module.total() + mtp_projection(model.hidden) * bytes_per_element(precision.attention) +
         mtp_norms(model.hidden) * bf16_bytes);
  }
  bytes.other = model.other_parameters * bf16_bytes;
  return bytes;
}

CacheShape cache_shape(const AttentionSpec& a) {
  CacheShape shape;
  if (a.kind == AttentionKind::linear) {
    shape.state = static_cast<double>(a.v_heads) * a.v_head_dim * a.qk_head_dim;
    shape.conv_state = conv_channels(a) * std::max(0, a.conv_kernel - 1);
    return shape;
  }
  if (a.kind == AttentionKind::mla) {
    shape.kv_per_position = static_cast<double>(a.kv_lora_rank) + a.qk_rope_head_dim;
  } else {
    const double key = static_cast<double>(a.kv_heads) * a.head_dim;
    const double value = static_cast<double>(a.kv_heads) * value_width(a);
    shape.kv_per_position = a.shared_kv ? key : key + value;
  }
  if (a.index.top_k > 0 && a.index.owns_cache) shape.index_per_position = a.index.head_dim;
  shape.window = a.window > 0 && a.chunk > 0 ? std::min(a.window, a.chunk) : a.window + a.chunk;
  shape.compression = std::max(1, a.compression);
  return shape;
}

SequenceBytes sequence_bytes(const LlmSpec& model, const PrecisionMap& precision, double context) {
  SequenceBytes bytes;
  for (const LayerSpec& layer : model.layers) {
    if (layer.attention < 0) continue;
    const CacheShape shape =
        cache_shape(model.attentions[static_cast<std::size_t>(layer.attention)]);
    bytes.kv += shape.kv_per_position * cached_positions(shape, context) *
                bytes_per_element(precision.kv_cache);
    bytes.index += shape.index_per_position * indexed_positions(shape, context) *
                   bytes_per_element(precision.index_cache);
    bytes.state += shape.state * bytes_per_element(precision.state) + shape.conv_state * bf16_bytes;
  }
  return bytes;
}

double kv_bytes_per_token(const LlmSpec& model, const PrecisionMap& precision,
                          WindowCache window_cache) {
  double bytes = 0;
  for (const LayerSpec& layer : model.layers) {
    if (layer.attention < 0) continue;
    const CacheShape shape =
        cache_shape(model.attentions[static_cast<std::size_t>(layer.attention)]);
    const bool grows =
        shape.window == 0 || shape.compression > 1 || window_cache == WindowCache::sequence;
    if (!grows) continue;
    bytes += (shape.kv_per_position * bytes_per_element(precision.kv_cache) +
              shape.index_per_position * bytes_per_element(precision.index_cache)) /
             shape.compression;
  }
  return bytes;
}

}  // namespace tollgate
