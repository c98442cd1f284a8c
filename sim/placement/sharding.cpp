#include "sim/placement/sharding.h"

#include <algorithm>

namespace tollgate {
namespace {

/// Outputs of DeepSeek-V4's pooling: values and gates, twice as wide where pools overlap (ratio 4).
double pooling_outputs(int compression, double width) {
  if (compression <= 1) return 0;
  return (compression == 4 ? 4 : 2) * width;
}

}  // namespace

Precision precision_of(const PrecisionMap& map, TensorClass tensor) {
  switch (tensor) {
    case TensorClass::attention:
      return map.attention;
    case TensorClass::dense_ffn:
      return map.dense_ffn;
    case TensorClass::experts:
      return map.experts;
    case TensorClass::shared_experts:
      return map.shared_experts;
    case TensorClass::router:
      return map.router;
    case TensorClass::embedding:
      return map.embedding;
  }
  return map.attention;
}

std::vector<Matrix> attention_matrices(const AttentionSpec& a, int hidden, int tensor) {
  std::vector<Matrix> out;
  const double h = hidden;
  const double heads = static_cast<double>(a.heads) / tensor;
  if (a.kind == AttentionKind::linear) {
    const double qk = 2.0 * a.qk_heads * a.qk_head_dim;
    const double v = static_cast<double>(a.v_heads) * a.v_head_dim;
    const bool kda = a.linear == LinearKind::kda;
    // q, k, v and the output gate; decay and beta are one value per head. KDA's decay, and its gate
    // where it is not a full projection, are low rank.
    const double gate = kda && !a.output_gate ? 0 : v;
    const double narrow = a.linear == LinearKind::lightning        ? 0
                          : a.linear == LinearKind::gated_deltanet ? 2.0 * a.v_heads
                                                                   : a.v_heads;
    // Decay and beta of the delta rule have a product of their own (in_proj_ba).
    const bool apart = a.linear == LinearKind::gated_deltanet;
    out.push_back({(qk + v + gate + (apart ? 0 : narrow)) / tensor, h});
    if (apart) out.push_back({narrow / tensor, h});
    if (kda) {
      const double rank = a.qk_head_dim;
      const double wide = qk / 2 + (a.output_gate ? 0 : v);
      out.push_back({a.output_gate ? rank : 2 * rank, h});
      out.push_back({wide / tensor, rank});
    }
    out.push_back({h, v / tensor});
    return out;
  }
  if (a.kind == AttentionKind::mla) {
    const double qk = a.qk_nope_head_dim + a.qk_rope_head_dim;
    const double latent = a.kv_lora_rank + a.qk_rope_head_dim;
    if (a.q_lora_rank > 0) {
      out.push_back({a.q_lora_rank + latent, h});
      out.push_back({heads * qk, static_cast<double>(a.q_lora_rank)});
    } else {
      out.push_back({heads * qk + latent, h});
    }
    out.push_back(
        {static_cast<double>(a.kv_lora_rank), static_cast<double>(a.qk_nope_head_dim), heads});
    out.push_back({static_cast<double>(a.v_head_dim), static_cast<double>(a.kv_lora_rank), heads});
    if (a.output_gate) out.push_back({heads * a.v_head_dim, h});
    out.push_back({h, heads * a.v_head_dim});
  } else {
    const double v_dim = a.v_head_dim > 0 ? a.v_head_dim : a.head_dim;
    const double kv_heads = std::max(1.0, static_cast<double>(a.kv_heads) / tensor);
    const double q = heads * a.head_dim + (a.output_gate ? heads * v_dim : 0);
    const double kv = kv_heads * (a.head_dim + (a.shared_kv || a.k_eq_v ? 0 : v_dim)) +
                      pooling_outputs(a.compression, a.kv_heads * a.head_dim);
    if (a.q_lora_rank > 0) {
      out.push_back({a.q_lora_rank + kv, h});
      out.push_back({q, static_cast<double>(a.q_lora_rank)});
    } else {
      out.push_back({q + kv, h});
    }
    if (a.o_groups > 0) {
      const double groups = std::max(1.0, static_cast<double>(a.o_groups) / tensor);
      out.push_back({static_cast<double>(a.o_lora_rank), heads * v_dim / groups, groups});
      out.push_back({h, groups * a.o_lora_rank});
    } else {
      out.push_back({h, heads * v_dim});
    }
  }
  if (a.index.top_k > 0 && a.index.owns_cache) {
    const double from = a.q_lora_rank > 0 ? a.q_lora_rank : h;
    out.push_back({static_cast<double>(a.index.heads) * a.index.head_dim, from});
    const double keys =
        a.compression > 1 ? pooling_outputs(a.compression, a.index.head_dim) : a.index.head_dim;
    out.push_back({keys + a.index.heads, h});
  }
  return out;
}

std::vector<Matrix> dense_ffn_matrices(int hidden, double intermediate, bool gated, int tensor,
                                       TensorClass tensor_class) {
  if (intermediate <= 0) return {};
  const double width = intermediate / tensor;
  return {{(gated ? 2 : 1) * width, static_cast<double>(hidden), 1, tensor_class},
          {static_cast<double>(hidden), width, 1, tensor_class}};
}

double shared_width(const FfnSpec& ffn) {
  if (ffn.shared_experts == 0) return 0;
  return ffn.shared_intermediate > 0 ? ffn.shared_intermediate
                                     : static_cast<double>(ffn.shared_experts) * ffn.intermediate;
}

double expert_elements(const FfnSpec& ffn, int hidden) {
  const double width = ffn.latent > 0 ? ffn.latent : hidden;
  return (ffn.gated ? 3.0 : 2.0) * width * ffn.intermediate;
}

double cache_share(const AttentionSpec& a, int tensor) {
  if (a.kind == AttentionKind::linear) return 1.0 / tensor;
  if (a.kind == AttentionKind::mla || a.shared_kv) return 1;
  return std::max(1.0, static_cast<double>(a.kv_heads) / tensor) / a.kv_heads;
}

bool scaled_by_publisher(const LlmSpec& model, TensorClass tensor, Precision stored) {
  const ReleaseSpec* release = model.release(stored);
  return (release && release->scales_per_block) || precision_of(model.precision, tensor) == stored;
}

bool slices_hold_whole_blocks(const LlmSpec& model, const PrecisionMap& precision,
                              const Deployment& deployment) {
  constexpr int block = 128;
  if (precision.experts != Precision::fp8 ||
      !scaled_by_publisher(model, TensorClass::experts, Precision::fp8)) {
    return true;
  }
  return std::all_of(model.ffns.begin(), model.ffns.end(), [&](const FfnSpec& f) {
    return f.kind != FfnKind::moe || f.intermediate % (block * deployment.expert_tensor()) == 0;
  });
}

}  // namespace tollgate
