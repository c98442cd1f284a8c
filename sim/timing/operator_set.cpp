#include "sim/timing/operator_set.h"

#include <algorithm>

#include "sim/spec/architecture.h"

namespace tollgate {
namespace {

/// FLOP/s and bytes/s that an operator class reaches.
struct Limits {
  double flops;
  double bandwidth;
};

Limits limits(const OperatorEfficiency& e, double peak, double bandwidth) {
  return {e.compute * peak, e.memory * bandwidth};
}

const OperatorEfficiency& by_unit(ComputeClass unit, const OperatorEfficiency& bf16,
                                  const OperatorEfficiency& fp8, const OperatorEfficiency& fp4) {
  return unit == ComputeClass::bf16 ? bf16 : unit == ComputeClass::fp8 ? fp8 : fp4;
}

/// The link a group of ranks is as fast as: the fast one while it spans the group, else the
/// network.
const LinkSpec& link_of(const HardwareSpec& h, int ranks) {
  return ranks <= h.per_domain ? h.scale_up : h.scale_out;
}
double network_latency(const HardwareSpec& h, int ranks) {
  return ranks <= h.per_domain ? 0 : h.scale_out.latency;
}

/// Share of a network card's bandwidth that dispatch and combine reach: DeepEP reports 43 to 58
/// GB/s on 50 GB/s cards, counting what stays in the node as well (deepseek-ai/DeepEP,
/// docs/legacy.md).
constexpr double network_efficiency = 0.9;

class Builder {
 public:
  explicit Builder(const OperatorContext& context)
      : c_(context),
        table_(context.hardware.efficiency),
        bandwidth_(context.hardware.memory_bandwidth) {}

  OperatorSet build(const PassCount& count) {
    for (const auto& [index, times] : count.attentions) {
      attention(c_.model.attentions[static_cast<std::size_t>(index)], times);
    }
    for (const auto& [index, times] : count.ffns) ffn(static_cast<std::size_t>(index), times);
    logits();
    merge();
    return std::move(out_);
  }

 private:
  void matrices(const std::vector<Matrix>& list, double times) {
    for (const Matrix& m : list) out_.per_token.push_back(matrix_operator(c_, m, times));
  }

  RowOperator elementwise(double times, double bytes_per_row) const {
    const OperatorEfficiency& e = table_.elementwise;
    return {OperatorClass::elementwise,
            times * e.launch,
            0,
            0,
            times * bytes_per_row / (e.memory * bandwidth_),
            e.log_sd,
            e.provenance};
  }

  /// Ring or multicast: 2 (p - 1) / p of the payload crosses each rank's link.
  RowOperator all_reduce(double times, double bytes_per_row) const {
    const int ranks = c_.deployment.tensor;
    const OperatorEfficiency& e = table_.all_reduce;
    const double wire = 2.0 * (ranks - 1) / ranks * bytes_per_row;
    return {OperatorClass::collective,
            times * (e.launch + network_latency(c_.hardware, ranks)),
            0,
            0,
            times * wire / (e.memory * link_of(c_.hardware, ranks).bandwidth),
            e.log_sd,
            e.provenance};
  }
  void reduce_hidden(double times) {
    if (c_.deployment.tensor > 1)
      out_.per_token.push_back(all_reduce(times, 2.0 * c_.model.hidden));
  }
  void residual(double times) {  // read and write x and the residual, bf16
    out_.per_token.push_back(
        elementwise(times, 8.0 * c_.model.hidden * c_.model.hyper_connections));
  }

  void attention(const AttentionSpec& a, double times) {
    const int tensor = c_.deployment.tensor;
    matrices(attention_matrices(a, c_.model.hidden, tensor), times);
    residual(times);
    const bool linear = a.kind == AttentionKind::linear;
    const double heads = static_cast<double>(linear ? a.v_heads : a.heads) / tensor;
    const double width = a.kind == AttentionKind::mla ? a.kv_lora_rank + a.qk_rope_head_dim
                         : linear                     ? a.v_head_dim + a.qk_head_dim
                                                      : a.head_dim;
    // Rotary position and cache write, or the short convolution.
    out_.per_token.push_back(elementwise(times, 4 * heads * width));
    reduce_hidden(times);
    AttentionCore core = linear ? linear_core(a, times, heads) : softmax_core(a, times, heads);
    core.decode_shrink = shrink(core, c_.contexts.decode);
    core.prefill_shrink = shrink(core, c_.contexts.prefill);
    out_.cores.push_back(core);
  }

  AttentionCore linear_core(const AttentionSpec& a, double times, double heads) const {
    const OperatorEfficiency& e = table_.linear_attention;
    const Limits limit = limits(e, c_.hardware.peak.bf16, bandwidth_);
    AttentionCore core;
    core.linear = true;
    core.decode_log_sd = core.prefill_log_sd = e.log_sd;
    core.decode_provenance = core.prefill_provenance = e.provenance;
    core.decode_launch = core.prefill_launch = times * e.launch;
    // A decode step reads and writes the state once.
    const double state = cache_shape(a).state * cache_share(a, c_.deployment.tensor);
    core.decode_state = times * 2 * state * bytes_per_element(c_.precision.state) / limit.bandwidth;
    // Chunked delta rule with chunks as long as a head is wide: 6 dk dv per token and head.
    core.prefill_token = times * heads * 6 * a.qk_head_dim * a.v_head_dim / limit.flops;
    return core;
  }

  AttentionCore softmax_core(const AttentionSpec& a, double times, double heads) const {
    const HardwareSpec& hw = c_.hardware;
    const bool mla = a.kind == AttentionKind::mla;
    // Shared-KV attention has as many query heads per cached vector as MLA, and runs on such
    // kernels.
    const bool latent = mla || a.shared_kv;
    const OperatorEfficiency& decode = latent ? table_.mla_decode : table_.decode_attention;
    const OperatorEfficiency& prefill = latent ? table_.mla_prefill : table_.prefill_attention;
    const Limits decode_limit = limits(decode, hw.peak.bf16, bandwidth_);
    const Limits prefill_limit = limits(prefill, hw.peak.bf16, bandwidth_);
    const CacheShape shape = cache_shape(a);
    const double v_dim = a.v_head_dim > 0 ? a.v_head_dim : a.head_dim;
    // Absorbed MLA scores against the latent: 2 kv_lora + rope per head and position.
    const double absorbed = mla ? 2.0 * a.kv_lora_rank + a.qk_rope_head_dim : a.head_dim + v_dim;
    const double expanded =
        mla ? a.qk_nope_head_dim + a.qk_rope_head_dim + v_dim : a.head_dim + v_dim;
    const double cached = shape.kv_per_position * cache_share(a, c_.deployment.tensor) *
                          bytes_per_element(c_.precision.kv_cache);
    AttentionCore core;
    core.compression = a.compression;
    core.window = a.window > 0  ? a.window
                  : a.chunk > 0 ? a.chunk / 2.0
                                : 0;  // half a chunk is behind, on average
    core.decode_log_sd = decode.log_sd;
    core.prefill_log_sd = prefill.log_sd;
    core.decode_provenance = decode.provenance;
    core.prefill_provenance = prefill.provenance;
    core.decode_launch = times * decode.launch;
    core.prefill_launch = times * prefill.launch;
    core.decode_compute = times * 2 * heads * absorbed / decode_limit.flops;
    core.decode_memory = times * cached / decode_limit.bandwidth;
    core.prefill_compute = times * 2 * heads * expanded / prefill_limit.flops;
    core.prefill_memory =
        times * cached / 128 / prefill_limit.bandwidth;  // once per tile of 128 queries
    if (a.index.top_k > 0) {
      core.sparse_top_k = a.index.top_k;
      // Queries choose different positions: the absorbed form, and nothing shared within a tile.
      core.sparse_compute = times * 2 * heads * absorbed / prefill_limit.flops;
      core.sparse_memory = times * cached / decode_limit.bandwidth;
      if (a.index.owns_cache) {
        const Limits index_limit =
            limits(decode, hw.peak.fp8 > 0 ? hw.peak.fp8 : hw.peak.bf16, bandwidth_);
        core.index_compute = times * 2.0 * a.index.heads * a.index.head_dim / index_limit.flops;
        core.index_memory = times * shape.index_per_position *
                            bytes_per_element(c_.precision.index_cache) / index_limit.bandwidth;
        core.decode_launch += 2 * times * decode.launch;  // scoring and top-k
        core.prefill_launch += 2 * times * prefill.launch;
      }
    }
    return core;
  }

  static double shrink(const AttentionCore& core, const std::vector<ContextMix::Point>& points) {
    double mean = 0, seen = 0;
    for (const ContextMix::Point& p : points) {
      mean += p.share * p.context;
      seen += p.share * core.seen(p.context);
    }
    return mean > 0 ? std::min(1.0, seen / core.seen(mean)) : 1;
  }

  void ffn(std::size_t index, double times) {
    const FfnSpec& f = c_.model.ffns[index];
    residual(times);
    if (f.kind == FfnKind::dense) {
      matrices(dense_ffn_matrices(c_.model.hidden, f.intermediate, f.gated, c_.deployment.tensor,
                                  TensorClass::dense_ffn),
               times);
      out_.per_token.push_back(elementwise(times, 6.0 * f.intermediate / c_.deployment.tensor));
      reduce_hidden(times);
      return;
    }
    const double hidden = c_.model.hidden;
    const double choices = f.experts + f.zero_experts;
    matrices({{choices, hidden, 1, TensorClass::router}}, times);
    out_.per_token.push_back(elementwise(times, 4 * choices));  // gate and top-k
    matrices(dense_ffn_matrices(c_.model.hidden, shared_width(f), f.gated, c_.deployment.tensor,
                                TensorClass::shared_experts),
             times);
    if (f.latent > 0) {
      const double width = f.latent;
      matrices({{width, hidden, 1, TensorClass::shared_experts},
                {hidden, width, 1, TensorClass::shared_experts}},
               times);
    }
    out_.experts.push_back(expert_layer(f, index, times));
    if (!out_.experts.back().exchange) reduce_hidden(times);
  }

  ExpertLayer expert_layer(const FfnSpec& f, std::size_t index, double times) const {
    const Deployment& d = c_.deployment;
    const double width = f.latent > 0 ? f.latent : c_.model.hidden;
    const ComputePath path = compute_path(c_.precision.experts, c_.hardware.peak);
    const OperatorEfficiency& e =
        by_unit(path.unit, table_.moe_bf16, table_.moe_fp8, table_.moe_fp4);
    const Limits limit = limits(e, path.peak, bandwidth_);
    const double elements = expert_elements(f, c_.model.hidden) / d.expert_tensor();
    const double inner = (f.gated ? 3.0 : 2.0) * f.intermediate / d.expert_tensor();
    ExpertLayer layer;
    layer.layers = times;
    layer.routing = c_.routing[index].at(d.expert);
    layer.top_k = static_cast<double>(f.top_k) * f.experts / (f.experts + f.zero_experts);
    layer.ranks = d.expert;
    layer.launch = e.launch;
    layer.log_sd = e.log_sd;
    layer.provenance = e.provenance;
    layer.compute_per_row = 2 * elements / limit.flops;
    layer.weight_seconds = elements * bytes_per_element(c_.precision.experts) / limit.bandwidth;
    // Gather in, hidden activations, scatter out and the weighted sum.
    layer.memory_per_row = (width * (path.activation_bytes + 4) + inner * 2) / limit.bandwidth;
    if (d.data_attention > 1) exchange(path, width, layer);
    return layer;
  }

  /// Dispatch and combine between data-parallel groups.
  void exchange(const ComputePath& path, double width, ExpertLayer& layer) const {
    const Deployment& d = c_.deployment;
    const HardwareSpec& hw = c_.hardware;
    const OperatorEfficiency& e = table_.all_to_all;
    const double bytes =
        width * ((path.unit == ComputeClass::bf16 ? 2 : 1) + 2);  // out in fp8, back in bf16
    const int ranks = d.stage_ranks();
    const double near_rate = e.memory * hw.scale_up.bandwidth;
    const double far_rate = network_efficiency * hw.scale_out.bandwidth;
    double prompt = 0, decode = 0;  // seconds per token that starts on one rank
    if (d.expert > 1) {
      // Prompts: a copy to every rank that holds a slice of a chosen expert, but to another domain
      // once, which hands it on (DeepEP normal mode). Decode: a copy per choice, nothing shared
      // (low latency).
      const RoutingTable* table = layer.routing.decode;
      const double inside = std::min(1.0, static_cast<double>(hw.per_domain) / ranks);
      const double copies = (table ? table->destination_ranks() : layer.top_k) * d.expert_tensor();
      const double domains = ranks / std::max(1.0, ranks * inside);
      // Domains are known where whole domains hold whole experts; else every far copy is counted.
      const bool whole = table && d.expert_tensor() == 1 && d.expert % hw.per_domain == 0;
      const double remote =
          whole ? table->destination_nodes() * (1 - 1 / domains) : copies * (1 - inside);
      const double choices = layer.top_k * d.expert_tensor();
      prompt = bytes * std::max(copies * (1 - 1.0 / ranks) / near_rate, remote / far_rate);
      decode = bytes * choices *
               std::max(std::max(0.0, inside - 1.0 / ranks) / near_rate, (1 - inside) / far_rate);
    } else {
      // Experts sliced over all ranks: gather every token, reduce-scatter the sums.
      const double rate = ranks <= hw.per_domain ? near_rate : far_rate;
      prompt = decode = (ranks - 1.0) * bytes / rate;
    }
    layer.exchange = true;
    layer.exchange_per_prompt = prompt / d.tensor;  // tokens of a group are spread over its ranks
    layer.exchange_per_decode = decode / d.tensor;
    layer.exchange_launch = 2 * (e.launch + network_latency(hw, ranks));
    layer.exchange_log_sd = e.log_sd;
    layer.exchange_provenance = e.provenance;
  }

  void logits() {
    const int tensor = c_.deployment.tensor;
    const double vocab = c_.model.vocab;
    out_.per_logit.push_back(matrix_operator(
        c_, {vocab / tensor, static_cast<double>(c_.model.hidden), 1, TensorClass::embedding}, 1));
    // Softmax and sampling pass over the logits; every rank has all of them after the gather.
    RowOperator sampling = elementwise(1, 12 * vocab);
    sampling.launch *= 5;
    out_.per_logit.push_back(sampling);
    if (tensor > 1) {
      RowOperator gather = all_reduce(1, 2 * vocab);
      gather.memory_per_row /= 2;
      out_.per_logit.push_back(gather);
    }
  }

  void merge() {
    std::vector<RowOperator> merged;
    for (const RowOperator& op : out_.per_token) {
      const auto same = std::find_if(merged.begin(), merged.end(), [&](const RowOperator& other) {
        return op.compute_per_row == 0 && other.compute_per_row == 0 &&
               other.operator_class == op.operator_class;
      });
      if (same == merged.end()) {
        merged.push_back(op);
        continue;
      }
      same->launch += op.launch;
      same->memory_fixed += op.memory_fixed;
      same->memory_per_row += op.memory_per_row;
    }
    out_.per_token = std::move(merged);
  }

  const OperatorContext& c_;
  const EfficiencyTable& table_;
  double bandwidth_;
  OperatorSet out_;
};

}  // namespace

std::string_view to_string(OperatorClass operator_class) {
  switch (operator_class) {
    case OperatorClass::gemm:
      return "matrix products";
    case OperatorClass::experts:
      return "experts";
    case OperatorClass::attention:
      return "attention";
    case OperatorClass::linear_attention:
      return "linear attention";
    case OperatorClass::elementwise:
      return "elementwise";
    case OperatorClass::collective:
      return "collectives";
    case OperatorClass::host:
      return "host";
  }
  return "";
}

LayerRouting FfnRouting::at(int ranks) const {
  const auto find = [ranks](const std::vector<RoutingTable>& tables) -> const RoutingTable* {
    for (const RoutingTable& table : tables) {
      if (table.ranks() == ranks) return &table;
    }
    return nullptr;
  };
  return {find(decode), find(prefill)};
}

double AttentionCore::seen(double context) const {
  double positions = window > 0 ? std::min(context, window) : context;
  if (compression > 1) positions = (window > 0 ? positions : 0) + context / compression;
  if (sparse_top_k > 0)
    positions = std::min(positions, sparse_top_k + (compression > 1 ? window : 0));
  return positions;
}

void PassCount::add(const LayerSpec& layer, double times) {
  if (layer.attention >= 0) attentions[layer.attention] += times;
  for (const int ffn : layer.ffns) ffns[ffn] += times;
}

RowOperator matrix_operator(const OperatorContext& c, const Matrix& m, double times) {
  const Precision stored = precision_of(c.precision, m.tensor);
  const ComputePath path = compute_path(stored, c.hardware.peak);
  const EfficiencyTable& table = c.hardware.efficiency;
  const OperatorEfficiency& e = by_unit(path.unit, table.gemm_bf16, table.gemm_fp8, table.gemm_fp4);
  const Limits limit = limits(e, path.peak, c.hardware.memory_bandwidth);
  return {OperatorClass::gemm,
          times * e.launch,
          times * 2 * m.elements() / limit.flops,
          times * m.elements() * bytes_per_element(stored) / limit.bandwidth,
          times * m.count * (m.k * path.activation_bytes + m.n * 2) / limit.bandwidth,
          e.log_sd,
          e.provenance};
}

OperatorSet build_operators(const OperatorContext& context, const PassCount& count) {
  return Builder(context).build(count);
}

}  // namespace tollgate
