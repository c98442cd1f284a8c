#include "sim/timing/step_model.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/spec/architecture.h"

namespace tollgate {
namespace {

/// Log-sd of the host terms, whose constants are assumed: a factor of two either way is P10-P90.
constexpr double host_log_sd = 0.5;

/// Share of an operator class's error that its shapes have in common: a step sums many shapes, whose
/// own errors partly cancel. Calibrated, see docs/method.md, "Error bands".
constexpr double shared_error = 0.5;

struct Limits {
  double flops;       ///< FLOP/s reachable
  double bandwidth;   ///< bytes/s reachable
};

Limits limits(const OperatorEfficiency& e, double peak, double bandwidth) {
  return {e.compute * peak, e.memory * bandwidth};
}

const OperatorEfficiency& gemm_efficiency(const EfficiencyTable& t, ComputeClass unit) {
  return unit == ComputeClass::bf16 ? t.gemm_bf16 : unit == ComputeClass::fp8 ? t.gemm_fp8 : t.gemm_fp4;
}
const OperatorEfficiency& moe_efficiency(const EfficiencyTable& t, ComputeClass unit) {
  return unit == ComputeClass::bf16 ? t.moe_bf16 : unit == ComputeClass::fp8 ? t.moe_fp8 : t.moe_fp4;
}

/// Bytes per second of a group of `ranks`: the fast link while it spans the group, else the network.
double link_bandwidth(const HardwareSpec& h, int ranks) {
  return ranks <= h.per_domain ? h.scale_up.bandwidth : h.scale_out.bandwidth;
}
double link_latency(const HardwareSpec& h, int ranks) {
  return ranks <= h.per_domain ? 0 : h.scale_out.latency;
}

struct FastSink {
  double seconds = 0;
  void add(OperatorClass, double launch, double compute, double memory, double, Provenance) {
    seconds += launch + std::max(compute, memory);
  }
  void link(double launch, double transfer, double, Provenance) { seconds += launch + transfer; }
  void imbalance(double extra, double, Provenance) { seconds += extra; }
};

struct DetailSink {
  StepTime time;
  std::array<double, operator_classes> spread{};

  LimitTimes& account(OperatorClass c, double seconds, double log_sd, Provenance provenance) {
    const auto i = static_cast<std::size_t>(c);
    spread[i] += seconds * log_sd;
    StepTime::Class& entry = time.by_class[i];
    if (seconds > 0) entry.provenance = worst(entry.provenance, provenance);
    return entry.at;
  }
  void add(OperatorClass c, double launch, double compute, double memory, double log_sd, Provenance p) {
    LimitTimes& at = account(c, launch + std::max(compute, memory), log_sd, p);
    at.host += launch;
    (compute > memory ? at.compute : at.hbm) += std::max(compute, memory);
  }
  void link(double launch, double transfer, double log_sd, Provenance p) {
    account(OperatorClass::collective, launch + transfer, log_sd, p).interconnect += launch + transfer;
  }
  void imbalance(double extra, double log_sd, Provenance p) {
    account(OperatorClass::experts, extra, log_sd, p).imbalance += extra;
  }
};

}  // namespace

std::string_view to_string(OperatorClass operator_class) {
  switch (operator_class) {
    case OperatorClass::gemm: return "matrix products";
    case OperatorClass::experts: return "experts";
    case OperatorClass::attention: return "attention";
    case OperatorClass::linear_attention: return "linear attention";
    case OperatorClass::elementwise: return "elementwise";
    case OperatorClass::collective: return "collectives";
    case OperatorClass::host: return "host";
  }
  return "";
}

std::string_view LimitTimes::largest() const {
  const std::pair<double, std::string_view> all[] = {{compute, "compute"},
                                                     {hbm, "hbm"},
                                                     {interconnect, "interconnect"},
                                                     {imbalance, "imbalance"},
                                                     {host, "host"}};
  return std::max_element(std::begin(all), std::end(all), [](const auto& a, const auto& b) {
           return a.first < b.first;
         })->second;
}

LimitTimes StepTime::limits() const {
  LimitTimes sum;
  for (const Class& c : by_class) {
    sum.compute += c.at.compute;
    sum.hbm += c.at.hbm;
    sum.interconnect += c.at.interconnect;
    sum.imbalance += c.at.imbalance;
    sum.host += c.at.host;
  }
  return sum;
}

Provenance StepTime::provenance() const {
  const double total = seconds();
  Provenance result = Provenance::exact;
  for (const Class& c : by_class) {
    if (c.seconds() >= 0.1 * total) result = worst(result, c.provenance);
  }
  return result;
}

StepModel::StepModel(const LlmSpec& model, const HardwareSpec& hw, const Deployment& d,
                     const PrecisionMap& precision, const DeploymentSpec& spec, const MethodSpec& method,
                     const RoutingTables& routing)
    : deployment_(d),
      tokens_per_sequence_(1.0 + spec.mtp_draft_tokens),
      host_per_step_(method.host_per_step),
      host_per_sequence_(method.host_per_sequence) {
  const EfficiencyTable& table = hw.efficiency;
  const double bandwidth = hw.memory_bandwidth;
  const double hidden = model.hidden;

  const auto matrix_operator = [&](const Matrix& m, double times) {
    const Precision stored = precision_of(precision, m.tensor);
    const ComputePath path = compute_path(stored, hw.peak);
    const OperatorEfficiency& e = gemm_efficiency(table, path.unit);
    const Limits limit = limits(e, path.peak, bandwidth);
    token_operators_.push_back({OperatorClass::gemm, times, times * e.launch,
                                times * 2 * m.elements() / limit.flops,
                                times * m.elements() * bytes_per_element(stored) / limit.bandwidth,
                                times * m.count * (m.k * path.activation_bytes + m.n * 2) / limit.bandwidth,
                                e.log_sd, e.provenance});
  };
  const auto elementwise = [&](double times, double bytes_per_row) {
    const OperatorEfficiency& e = table.elementwise;
    token_operators_.push_back({OperatorClass::elementwise, times, times * e.launch, 0, 0,
                                times * bytes_per_row / (e.memory * bandwidth), e.log_sd, e.provenance});
  };
  // Ring or multicast all-reduce: 2 (p - 1) / p of the payload crosses each rank's link.
  const auto all_reduce = [&](double times) {
    if (d.tensor == 1) return;
    const OperatorEfficiency& e = table.all_reduce;
    const double wire = 2.0 * (d.tensor - 1) / d.tensor * hidden * 2;
    token_operators_.push_back({OperatorClass::collective, times,
                                times * (e.launch + link_latency(hw, d.tensor)), 0, 0,
                                times * wire / (e.memory * link_bandwidth(hw, d.tensor)), e.log_sd, e.provenance});
  };

  // How often each kind of layer part is run in one step; draft modules run once per draft token.
  std::map<int, double> attention_count, ffn_count;
  const auto count_layer = [&](const LayerSpec& layer, double times) {
    if (layer.attention >= 0) attention_count[layer.attention] += times;
    for (const int ffn : layer.ffns) ffn_count[ffn] += times;
  };
  for (const LayerSpec& layer : model.layers) count_layer(layer, 1);
  if (spec.mtp_draft_tokens > 0 && model.mtp.modules > 0) {
    // A draft pass runs on one token per sequence, not on the verified ones: its rows are a share.
    count_layer(model.mtp.layer, spec.mtp_draft_tokens / tokens_per_sequence_);
  }

  const double residual_bytes = 8 * hidden * model.hyper_connections;  // read and write x and residual, bf16
  for (const auto& [index, layers] : attention_count) {
    const AttentionSpec& a = model.attentions[static_cast<std::size_t>(index)];
    for (const Matrix& m : attention_matrices(a, model.hidden, d.tensor)) matrix_operator(m, layers);
    elementwise(layers, residual_bytes);
    const double heads = static_cast<double>(a.kind == AttentionKind::linear ? a.v_heads : a.heads) / d.tensor;
    const double width = a.kind == AttentionKind::mla    ? a.kv_lora_rank + a.qk_rope_head_dim
                         : a.kind == AttentionKind::gqa ? a.head_dim
                                                        : a.v_head_dim + a.qk_head_dim;
    elementwise(layers, 4 * heads * width);  // rotary position and cache write, or convolution
    all_reduce(layers);

    AttentionCore core{};
    core.layers = layers;
    core.compression = a.compression;
    core.window = a.window > 0 ? a.window : a.chunk > 0 ? a.chunk / 2.0 : 0;
    const CacheShape shape = cache_shape(a);
    const double share = cache_share(a, d.tensor);
    if (a.kind == AttentionKind::linear) {
      const OperatorEfficiency& e = table.linear_attention;
      const Limits limit = limits(e, hw.peak.bf16, bandwidth);
      core.linear = true;
      core.decode_efficiency = core.prefill_efficiency = e;
      core.decode_launch = core.prefill_launch = layers * e.launch;
      // A decode step reads and writes the state once.
      core.decode_state = layers * 2 * shape.state * share * bytes_per_element(precision.state) / limit.bandwidth;
      // Chunked delta rule with chunks as long as a head is wide: 6 dk dv per token and head.
      core.prefill_token = layers * heads * 6 * a.qk_head_dim * a.v_head_dim / limit.flops;
      cores_.push_back(core);
      continue;
    }
    const bool mla = a.kind == AttentionKind::mla;
    // Shared-KV attention has as many query heads per cached vector as MLA, and runs on such kernels.
    const bool latent = mla || a.shared_kv;
    const OperatorEfficiency& decode = latent ? table.mla_decode : table.decode_attention;
    const OperatorEfficiency& prefill = latent ? table.mla_prefill : table.prefill_attention;
    const Limits decode_limit = limits(decode, hw.peak.bf16, bandwidth);
    const Limits prefill_limit = limits(prefill, hw.peak.bf16, bandwidth);
    const double v_dim = a.v_head_dim > 0 ? a.v_head_dim : a.head_dim;
    // Absorbed MLA scores against the latent: 2 kv_lora + rope per head and position.
    const double decode_width = mla ? 2.0 * a.kv_lora_rank + a.qk_rope_head_dim : a.head_dim + v_dim;
    const double prefill_width = mla ? a.qk_nope_head_dim + a.qk_rope_head_dim + v_dim : a.head_dim + v_dim;
    const double cached = shape.kv_per_position * share * bytes_per_element(precision.kv_cache);
    core.decode_efficiency = decode;
    core.prefill_efficiency = prefill;
    core.decode_launch = layers * decode.launch;
    core.prefill_launch = layers * prefill.launch;
    core.decode_compute = layers * 2 * heads * decode_width / decode_limit.flops;
    core.decode_memory = layers * cached / decode_limit.bandwidth;
    core.prefill_compute = layers * 2 * heads * prefill_width / prefill_limit.flops;
    // Keys and values of the context are read once per tile of 128 queries.
    core.prefill_memory = layers * cached / 128 / prefill_limit.bandwidth;
    if (a.index.top_k > 0) {
      core.sparse_top_k = a.index.top_k;
      if (a.index.owns_cache) {
        const Limits index_limit = limits(decode, hw.peak.fp8 > 0 ? hw.peak.fp8 : hw.peak.bf16, bandwidth);
        core.index_compute = layers * 2.0 * a.index.heads * a.index.head_dim / index_limit.flops;
        core.index_memory =
            layers * shape.index_per_position * bytes_per_element(precision.index_cache) / index_limit.bandwidth;
        core.index_prefill_compute = core.index_compute;
        core.decode_launch += 2 * layers * decode.launch;  // scoring and top-k
        core.prefill_launch += 2 * layers * prefill.launch;
      }
    }
    cores_.push_back(core);
  }

  for (const auto& [index, layers] : ffn_count) {
    const FfnSpec& f = model.ffns[static_cast<std::size_t>(index)];
    elementwise(layers, residual_bytes);
    if (f.kind == FfnKind::dense) {
      for (const Matrix& m :
           dense_ffn_matrices(model.hidden, f.intermediate, f.gated, d.tensor, TensorClass::dense_ffn)) {
        matrix_operator(m, layers);
      }
      elementwise(layers, 6.0 * f.intermediate / d.tensor);
      all_reduce(layers);
      continue;
    }
    matrix_operator({static_cast<double>(f.experts + f.zero_experts), hidden, 1, TensorClass::router}, layers);
    elementwise(layers, 4.0 * (f.experts + f.zero_experts));  // gate and top-k
    for (const Matrix& m :
         dense_ffn_matrices(model.hidden, shared_width(f), f.gated, d.tensor, TensorClass::shared_experts)) {
      matrix_operator(m, layers);
    }
    const double width = f.latent > 0 ? f.latent : hidden;
    if (f.latent > 0) {
      matrix_operator({width, hidden, 1, TensorClass::shared_experts}, layers);
      matrix_operator({hidden, width, 1, TensorClass::shared_experts}, layers);
    }
    const Precision stored = precision.experts;
    const ComputePath path = compute_path(stored, hw.peak);
    const OperatorEfficiency& e = moe_efficiency(table, path.unit);
    const Limits limit = limits(e, path.peak, bandwidth);
    const double elements = expert_elements(f, model.hidden) / d.expert_tensor();
    ExpertLayer layer{};
    layer.layers = layers;
    layer.routing = nullptr;
    for (const RoutingTable& candidate : routing[static_cast<std::size_t>(index)]) {
      if (candidate.ranks() == d.expert) layer.routing = &candidate;
    }
    layer.top_k = static_cast<double>(f.top_k) * f.experts / (f.experts + f.zero_experts);
    layer.ranks = d.expert;
    layer.launch = e.launch;
    layer.efficiency = e;
    layer.compute_per_row = 2 * elements / limit.flops;
    layer.weight_seconds = elements * bytes_per_element(stored) / limit.bandwidth;
    const double inner = (f.gated ? 3.0 : 2.0) * f.intermediate / d.expert_tensor();
    // Gather in, hidden activations, scatter out and the weighted sum.
    layer.memory_per_row = (width * (path.activation_bytes + 4) + inner * 2) / limit.bandwidth;
    if (d.data_attention > 1) {
      const OperatorEfficiency& x = table.all_to_all;
      layer.exchange = true;
      layer.exchange_efficiency = x;
      const int ranks = d.stage_ranks();
      double per_token = 0;  // seconds per token that starts on one rank
      const double dispatch_bytes = path.unit == ComputeClass::bf16 ? 2 : 1;
      if (d.expert > 1) {
        const double copies = layer.routing ? layer.routing->destination_ranks() : layer.top_k;
        const double bytes = copies * width * (dispatch_bytes + 2);
        const double inside = std::min(1.0, static_cast<double>(hw.per_domain) / d.expert);
        const double near = bytes * (inside - 1.0 / d.expert) / (x.memory * hw.scale_up.bandwidth);
        const double far = bytes * (1 - inside) / (x.memory * hw.scale_out.bandwidth);
        per_token = std::max(0.0, std::max(near, far));
      } else {
        // Experts sliced over all ranks: gather every token, reduce-scatter the sums.
        per_token = (ranks - 1.0) * width * (dispatch_bytes + 2) / (x.memory * link_bandwidth(hw, ranks));
      }
      layer.exchange_per_token = per_token / d.tensor;  // tokens of a group are spread over its ranks
      layer.exchange_launch = 2 * (x.launch + link_latency(hw, ranks));
    } else {
      all_reduce(layers);
    }
    experts_.push_back(layer);
  }

  // LM head, softmax and sampling.
  const Matrix head{static_cast<double>(model.vocab) / d.tensor, hidden, 1, TensorClass::embedding};
  matrix_operator(head, 1);
  logit_operators_.push_back(token_operators_.back());
  token_operators_.pop_back();
  logit_operators_.push_back({OperatorClass::elementwise, 1, 5 * table.elementwise.launch, 0, 0,
                              12.0 * model.vocab / d.tensor / (table.elementwise.memory * bandwidth),
                              table.elementwise.log_sd, table.elementwise.provenance});
  if (d.pipeline > 1) {
    const int span = d.gpus();
    pipeline_efficiency_ = table.all_to_all;
    pipeline_launch_ = (d.pipeline - 1) *
                       (span <= hw.per_domain ? table.all_to_all.launch : hw.scale_out.latency + table.all_to_all.launch);
    pipeline_per_token_ = (d.pipeline - 1) * hidden * 2 / link_bandwidth(hw, span);
  }

  // Operators that share a class, efficiency and row count add up to one as long as none of them has
  // a max() of its own to decide; elementwise and collectives are such.
  std::vector<RowOperator> merged;
  for (const RowOperator& op : token_operators_) {
    const bool linear = op.compute_per_row == 0;
    const auto same = std::find_if(merged.begin(), merged.end(), [&](const RowOperator& other) {
      return linear && other.compute_per_row == 0 && other.operator_class == op.operator_class;
    });
    if (same == merged.end()) {
      merged.push_back(op);
      continue;
    }
    same->launch += op.launch;
    same->memory_fixed += op.memory_fixed;
    same->memory_per_row += op.memory_per_row;
    same->times += op.times;
  }
  token_operators_ = std::move(merged);
}

template <class Sink>
void StepModel::walk(const StepLoad& load, Sink& sink) const {
  const double groups = deployment_.data_attention;
  const double decode_tokens = load.decode_sequences * tokens_per_sequence_;
  const double tokens = load.prefill_tokens + decode_tokens;
  if (tokens <= 0) return;
  // Groups step together, so all wait for the one with most prompt tokens.
  const double prompt_rows = std::max(load.prefill_tokens / groups, load.busiest_prompt_rows);
  const double rows = prompt_rows + decode_tokens / groups;
  for (const RowOperator& op : token_operators_) {
    if (op.operator_class == OperatorClass::collective) {
      sink.link(op.launch, op.memory_per_row * rows, op.log_sd, op.provenance);
    } else {
      sink.add(op.operator_class, op.launch, op.compute_per_row * rows,
               op.memory_fixed + op.memory_per_row * rows, op.log_sd, op.provenance);
    }
  }
  const double sampled = (decode_tokens + load.prompts_finished) / groups;
  for (const RowOperator& op : logit_operators_) {
    sink.add(op.operator_class, op.launch, op.compute_per_row * sampled,
             op.memory_fixed + op.memory_per_row * sampled, op.log_sd, op.provenance);
  }

  const double sequences = load.decode_sequences / groups;
  for (const AttentionCore& core : cores_) {
    const auto kind = core.linear ? OperatorClass::linear_attention : OperatorClass::attention;
    const auto seen = [&core](double context) {
      double positions = context;
      if (core.window > 0) {
        const double near = std::min(context, core.window);
        positions = core.compression > 1 ? near + context / core.compression : near;
      } else if (core.compression > 1) {
        positions = context / core.compression;
      }
      return core.sparse_top_k > 0 ? std::min(positions, core.sparse_top_k + (core.compression > 1 ? core.window : 0))
                                   : positions;
    };
    if (sequences > 0) {
      const auto& e = core.decode_efficiency;
      if (core.linear) {
        sink.add(kind, core.decode_launch, 0, core.decode_state * sequences, e.log_sd, e.provenance);
      } else {
        const double positions = seen(load.decode_context) * sequences;
        const double indexed = load.decode_context / core.compression * sequences;
        // Draft tokens share the cache they read but not the arithmetic.
        sink.add(kind, core.decode_launch,
                 (core.decode_compute * positions + core.index_compute * indexed) * tokens_per_sequence_,
                 core.decode_memory * positions + core.index_memory * indexed, e.log_sd, e.provenance);
      }
    }
    if (prompt_rows > 0) {
      const auto& e = core.prefill_efficiency;
      if (core.linear) {
        sink.add(kind, core.prefill_launch, core.prefill_token * prompt_rows, 0, e.log_sd, e.provenance);
      } else {
        const double positions = seen(load.prefill_context) * prompt_rows;
        const double indexed = load.prefill_context / core.compression * prompt_rows;
        sink.add(kind, core.prefill_launch,
                 core.prefill_compute * positions + core.index_prefill_compute * indexed,
                 core.prefill_memory * positions, e.log_sd, e.provenance);
      }
    }
  }

  for (const ExpertLayer& layer : experts_) {
    const double assignments = tokens * layer.top_k;
    const double mean_rows = assignments / layer.ranks;
    double ratio = 1, rank_distinct = 1, mean_distinct = 1, padded = mean_rows;
    if (layer.routing) {
      const RoutingTable::Point p = layer.routing->at(tokens);
      ratio = p.busiest_ratio;
      rank_distinct = p.rank_distinct;
      mean_distinct = p.distinct / layer.ranks;
      // Kernels take tiles of 64 rows where experts are full and of 16 where they are nearly empty.
      const double worst_rows = mean_rows * ratio;
      const double small_tiles = rank_distinct * std::max(16.0, worst_rows / std::max(1.0, rank_distinct) + 8);
      padded = std::max(std::min(p.padded_rows, small_tiles), worst_rows);
    }
    const auto part = [&](double distinct, double row_count, double padded_rows) {
      return std::pair{padded_rows * layer.compute_per_row,
                       distinct * layer.weight_seconds + row_count * layer.memory_per_row};
    };
    const auto [compute, memory] = part(mean_distinct, mean_rows, std::max(mean_rows, padded / ratio));
    const auto [worst_compute, worst_memory] = part(rank_distinct, mean_rows * ratio, padded);
    const double even = std::max(compute, memory);
    const auto& e = layer.efficiency;
    sink.add(OperatorClass::experts, layer.layers * layer.launch, layer.layers * compute, layer.layers * memory,
             e.log_sd, e.provenance);
    sink.imbalance(layer.layers * std::max(0.0, std::max(worst_compute, worst_memory) - even), e.log_sd, e.provenance);
    if (layer.exchange) {
      const auto& x = layer.exchange_efficiency;
      sink.link(layer.layers * layer.exchange_launch,
                layer.layers * layer.exchange_per_token * rows * ratio, x.log_sd, x.provenance);
    }
  }

  if (deployment_.pipeline > 1) {
    sink.link(pipeline_launch_, pipeline_per_token_ * rows, pipeline_efficiency_.log_sd, pipeline_efficiency_.provenance);
  }
  sink.add(OperatorClass::host, host_per_step_ + host_per_sequence_ * (sequences + load.prompts_finished / groups), 0, 0,
           host_log_sd, Provenance::assumed);
}

double StepModel::seconds(const StepLoad& load) const {
  FastSink sink;
  walk(load, sink);
  return sink.seconds;
}

StepTime StepModel::detail(const StepLoad& load) const {
  DetailSink sink;
  walk(load, sink);
  double variance = 0;
  for (const double spread : sink.spread) variance += spread * spread;
  const double seconds = sink.time.seconds();
  if (seconds > 0) sink.time.log_sd = shared_error * std::sqrt(variance) / seconds;
  return sink.time;
}

}  // namespace tollgate
