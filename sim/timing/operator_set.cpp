#include "sim/timing/operator_set.h"

#include <algorithm>
#include <cmath>

#include "sim/operators/attention_kernels.h"
#include "sim/spec/architecture.h"
#include "sim/timing/compute_path.h"

namespace tollgate {
namespace {

/// Kernels behind one call of a curve, where a step is launched kernel by kernel.
/// Grouped products of experts: three prefix sums, expansion, product, activation, product, sum
/// (TensorRT-LLM's CUTLASS experts); 6 in SGLang's fused_moe_triton, for which 8 are taken, too.
constexpr double expert_launches = 8;
/// Quantising the inputs of a product.
constexpr double quantise_launches = 1;
/// Chunked delta rule (SGLang fla/chunk.py): norms of queries and keys, cumulative sum, products of
/// keys, triangular inverse, weights and updates, states, outputs; the gate before it, reading and
/// writing the state around it (hybrid_linear_attn_backend.py, forward_extend).
constexpr double linear_prefill_launches = 11;

/// Bytes up to which an all-reduce with the residual sum and the norm in it is quicker than both
/// apart (vLLM 0.16, passes/fusion/allreduce_rms_fusion.py, FI_ALLREDUCE_FUSION_MAX_SIZE_MB for
/// compute capability 9.0 and 10.0).
double longest_fused_reduce(int ranks, bool blackwell) {
  constexpr double mebibyte = 1 << 20;
  if (ranks <= 2) return 64 * mebibyte;
  if (ranks <= 4) return (blackwell ? 32 : 2) * mebibyte;
  return (blackwell ? 1 : 0.5) * mebibyte;
}

class Builder {
 public:
  explicit Builder(const OperatorContext& context)
      : c_(context), hardware_(context.curves.hardware()) {}

  OperatorSet build(const PassCount& count, bool joins) {
    for (const auto& [index, times] : count.attentions) {
      attention(c_.model.attentions[static_cast<std::size_t>(index)], times);
    }
    for (const auto& [index, times] : count.ffns) ffn(static_cast<std::size_t>(index), times);
    if (joins) {
      const double hidden = c_.model.hidden;
      product(per_token_, {hidden, 2 * hidden, 1, TensorClass::attention}, 1);
    }
    logits();
    const double of_logits = launches_of(per_logit_);
    out_.calls += launches_of(per_token_) + of_logits;
    out_.piecewise_calls += of_logits;
    for (const AttentionCore& core : out_.cores) {
      const double calls =
          core.times * (core.prefill_launches + (core.prefill_convolution ? 1 : 0));
      out_.calls += calls;
      out_.piecewise_calls += calls + core.times;
    }
    for (const ExpertLayer& layer : out_.experts) {
      out_.calls += layer.layers * (layer.launches + (layer.out ? 2 : 0));
    }
    out_.per_token = RowTable(per_token_);
    out_.per_logit = RowTable(per_logit_);
    return std::move(out_);
  }

 private:
  using Operators = std::vector<RowOperator>;

  static double launches_of(std::span<const RowOperator> operators) {
    double sum = 0;
    for (const RowOperator& op : operators) sum += op.times * op.launches;
    return sum;
  }

  const StepCurve* curve(const char* name, std::string_view op, std::string_view precision,
                         std::span<const KernelWish> wishes = {}, Data data = Data::cold,
                         std::string_view backend = {}) const {
    const StepCurve* found = &c_.curves.of(op, precision, wishes, data, backend);
    c_.used.insert({name, found});
    return found;
  }

  std::string_view format_of(TensorClass tensor) const {
    const Precision stored = precision_of(c_.precision, tensor);
    return number_format_of(stored, scaled_by_publisher(c_.model, tensor, stored), hardware_.peak);
  }

  void product(Operators& to, const Matrix& m, double times) const {
    const Precision stored = precision_of(c_.precision, m.tensor);
    const ComputePath path = compute_path(stored, hardware_.peak);
    RowOperator op;
    op.operator_class = OperatorClass::gemm;
    op.times = times;
    if (m.count > 1) {
      // Absorbed projections are kept in fp8 or bf16 (vLLM, SGLang, TensorRT-LLM).
      op.curve = curve("batched products", "batched_gemm",
                       path.unit == ComputeClass::bf16 ? "bf16" : "fp8");
      op.shape = {m.count, 0, m.n, m.k};
      op.column = 1;
    } else {
      op.curve = curve("products", "gemm", format_of(m.tensor));
      op.shape = {0, m.n, m.k, 0, 0, 0};
      if (path.unit != ComputeClass::bf16) op.launches += quantise_launches;
    }
    op.compute_per_row = 2 * m.elements() / path.peak;
    op.memory_fixed = m.elements() * bytes_per_element(stored) / hardware_.memory_bandwidth;
    if (c_.curves.engine().static_scales && m.count <= 1 && format_of(m.tensor) == "fp8") {
      // Not the search for a scale, only the product and a quantisation with a known one.
      const double floor = curve("products", "gemm", "bf16")->launch +
                           curve("quantisation", "quantise", "fp8")->launch;
      op.hidden = std::max(0.0, op.curve->launch - floor);
    }
    // Shared experts run on a stream of their own beside the routed ones (vLLM SharedExperts,
    // SGLang alt_stream): the work of both adds up, the floors do not.
    if (m.tensor == TensorClass::shared_experts) op.hidden = op.curve->launch;
    op.memory_per_row =
        m.count * (m.k * path.activation_bytes + m.n * 2) / hardware_.memory_bandwidth;
    to.push_back(op);
  }
  void products(const std::vector<Matrix>& list, double times) {
    for (const Matrix& m : list) product(per_token_, m, times);
  }

  /// Reads and writes `bytes` per row.
  void elementwise(Operators& to, double times, double bytes) const {
    RowOperator op;
    op.operator_class = OperatorClass::elementwise;
    // Bound by memory, whoever wrote the kernel.
    op.curve = curve("elementwise kernels", "elementwise", bytes_precision, {}, Data::warm, "cuda");
    op.times = times;
    op.per_row = bytes;
    op.memory_per_row = bytes / hardware_.memory_bandwidth;
    to.push_back(op);
  }
  void elementwise(double times, double bytes) { elementwise(per_token_, times, bytes); }

  void collective(Operators& to, const StepCurve* found, double times, double ranks,
                  double bytes) const {
    RowOperator op;
    op.operator_class = OperatorClass::collective;
    op.curve = found;
    op.times = times;
    op.shape = {ranks, 0};
    op.column = 1;
    op.per_row = bytes;
    to.push_back(op);
  }
  void reduce_hidden(double times) {
    const int ranks = c_.deployment.tensor;
    if (ranks == 1) return;
    collective(per_token_, curve("all-reduce", "all_reduce", "bf16"), times, ranks,
               2.0 * c_.model.hidden);
  }
  void residual(double times) {  // read and write x and the residual, bf16
    elementwise(times, 8.0 * c_.model.hidden * c_.model.hyper_connections);
    const Deployment& d = c_.deployment;
    if (!c_.curves.engine().fuses_all_reduce || d.tensor == 1 || d.data_attention > 1) return;
    // Dense Llama up to a width of 4096 and dense Qwen3 (5120) keep them apart (TensorRT-LLM,
    // modeling_llama.py and modeling_qwen3.py).
    const bool mixture = c_.model.has_experts();
    if (!mixture && c_.model.hidden <= 5120) return;
    per_token_.back().fused_rows =
        longest_fused_reduce(d.tensor, hardware_.peak.fp4 > 0) / (2.0 * c_.model.hidden);
  }

  void attention(const AttentionSpec& a, double times) {
    const int tensor = c_.deployment.tensor;
    residual(times);
    AttentionCore core = a.kind == AttentionKind::linear ? linear(a) : softmax(a);
    core.times = times;
    core.decode_shrink = shrink(core, c_.contexts.decode);
    core.prefill_shrink = shrink(core, c_.contexts.prefill);
    if (core.dense_prefill) split_prompts(core);
    const bool module =
        core.kind == AttentionCore::Kind::sparse || core.kind == AttentionCore::Kind::compressed;
    if (!module) {
      const std::size_t before = per_token_.size();
      products(attention_matrices(a, c_.model.hidden, tensor), times);
      const RowOperator output = per_token_.back();
      prepare(a, times);
      // Latent attention stays outside of graphs with its projections but that of its output
      // (NVIDIA/TensorRT-LLM, modules/attention.py, mla_custom_op_inplace), other attention
      // without.
      if (core.kind == AttentionCore::Kind::latent) {
        out_.piecewise_calls +=
            launches_of(std::span(per_token_).subspan(before)) - launches_of({&output, 1});
      }
    }
    reduce_hidden(times);
    out_.cores.push_back(core);
  }

  /// Kernels between the projections and attention proper, each over the width of the heads.
  void prepare(const AttentionSpec& a, double times) {
    const bool linear = a.kind == AttentionKind::linear, mla = a.kind == AttentionKind::mla;
    const double heads = static_cast<double>(linear ? a.v_heads : a.heads) / c_.deployment.tensor;
    const double width = mla      ? a.kv_lora_rank + a.qk_rope_head_dim
                         : linear ? a.v_head_dim + a.qk_head_dim
                                  : a.head_dim;
    double kernels = 0;
    if (linear) {
      kernels = 2;  // splitting the projection, gated norm
    } else {
      // Rotary position and cache write; what is normed in between cannot be fused with attention.
      if (!c_.curves.engine().fuses_rotary || a.qk_norm) kernels += 2;
      if (a.qk_norm) kernels += 2;      // norms of queries and of keys
      if (mla) kernels += 1;            // of the latents
      if (a.output_gate) kernels += 2;  // taking it out of the queries, and its product
    }
    if (kernels > 0) elementwise(times * kernels, 4 * heads * width / kernels);
  }

  bool narrow_cache() const { return bytes_per_element(c_.precision.kv_cache) < 2; }

  AttentionCore softmax(const AttentionSpec& a) const {
    AttentionCore core;
    core.heads = static_cast<double>(a.heads) / c_.deployment.tensor;
    core.compression = a.compression;
    // Half a chunk is behind a position, on average.
    core.window = a.window > 0 ? a.window : a.chunk / 2.0;
    core.sparse_top_k = a.index.top_k;
    const CacheShape shape = cache_shape(a);
    const double v_dim = a.v_head_dim > 0 ? a.v_head_dim : a.head_dim;
    const double cached = shape.kv_per_position * cache_share(a, c_.deployment.tensor) *
                          bytes_per_element(c_.precision.kv_cache) / hardware_.memory_bandwidth;
    const double width = a.kind == AttentionKind::mla ? 2.0 * a.kv_lora_rank + a.qk_rope_head_dim
                                                      : a.head_dim + v_dim;
    core.decode_intensity = 2 * core.heads * width / hardware_.peak.bf16 / cached;
    if (a.kind == AttentionKind::mla && a.index.top_k > 0 && sparse(a, core)) return core;
    if (a.shared_kv && a.compression > 1 && compressed(a, core)) return core;
    if (a.kind == AttentionKind::mla || a.shared_kv) {
      latent(a, core);
    } else {
      grouped(a, v_dim, core);
    }
    return core;
  }

  void grouped(const AttentionSpec& a, double v_dim, AttentionCore& core) const {
    core.kind = AttentionCore::Kind::gqa;
    core.kv_heads = std::max(1.0, static_cast<double>(a.kv_heads) / c_.deployment.tensor);
    core.head_dim = (a.head_dim + v_dim) / 2;
    const std::string_view format = narrow_cache() ? "fp8" : "bf16";
    const auto tail = [&](double heads, double window) {
      return KernelWish{decode_kernel("", core.head_dim, heads, core.kv_heads, window), "", ""};
    };
    const double grouped_heads = 2 * core.kv_heads;
    std::vector<KernelWish> decode{tail(core.heads, core.window), tail(core.heads, 0),
                                   tail(grouped_heads, core.window), tail(grouped_heads, 0)};
    // Groups over several key-value heads, where those over a single one were not measured.
    decode.push_back({decode_kernel("", core.head_dim, 4, 2, 0), "", ""});
    core.decode = curve("decode attention", "decode_attention", format, decode);
    const std::vector<KernelWish> prefill{{prefill_kernel("", core.head_dim), "", ""}};
    core.prefill = curve("prefill attention", "prefill_attention", format, prefill, Data::warm);
  }

  /// The curves are those of DeepSeek-V3's dimensions; others are scaled by their width.
  void latent(const AttentionSpec& a, AttentionCore& core) const {
    constexpr double cached = 576, products = 192 + 128;
    core.kind = AttentionCore::Kind::latent;
    core.prefill_launches = c_.curves.engine().latent_prompt_calls;
    core.latent_width = cache_shape(a).kv_per_position / cached;
    const double expanded = a.kind == AttentionKind::mla
                                ? a.qk_nope_head_dim + a.qk_rope_head_dim + a.v_head_dim
                                : 2 * a.head_dim;
    core.kv_heads = core.heads * expanded / products;  // in prefill
    const std::string_view cache = narrow_cache() ? "fp8" : "bf16";
    const EngineSpec& engine = c_.curves.engine();
    const std::string own =
        latent_decode_kernel("", engine.backend.empty() ? engine.name : engine.backend,
                             architecture_of(hardware_.name), cache, core.heads);
    std::vector<KernelWish> decode;
    if (!own.empty()) decode.push_back({own, "", ""});
    core.decode = curve("latent decode attention", "mla_decode", cache, decode);
    const std::string_view format = narrow_cache() ? "w8a16" : "bf16";
    core.prefill = curve("latent prefill attention", "mla_prefill", format, {}, Data::warm);
    if (engine.absorbs_below == 0) return;
    // The kernel of the engine's own table, whichever its `kernels` name for other prompts.
    const std::vector<KernelWish> table{{"", "flash_attention", ""}, {"", "triton", ""}};
    core.absorbed_prefill = &c_.curves.of("mla_prefill", format, table, Data::warm);
    core.absorbed_below = engine.absorbs_below;
  }

  /// Curves of a whole module, if they were measured anywhere near.
  bool module_curves(const char* name, std::string_view op, std::string_view format,
                     std::span<const KernelWish> decode, std::span<const KernelWish> prefill,
                     AttentionCore& core) const {
    const StepCurve& d = c_.curves.of(op, format, decode);
    const StepCurve& p = c_.curves.of(op, format, prefill, Data::warm);
    if (d.choice.rule == TransferRule::start || p.choice.rule == TransferRule::start) return false;
    core.decode = &d;
    core.prefill = &p;
    // Tables of prefill modules have floors of 0.2 to 1.6 ms, several times those of the same layer
    // in decode: host time of launching kernel by kernel, which in serving runs ahead of the
    // device.
    core.prefill_hidden = std::max(0.0, p.launch - d.launch);
    c_.used.insert({name, &d});
    c_.used.insert({name, &p});
    return true;
  }

  bool sparse(const AttentionSpec& a, AttentionCore& core) const {
    if (a.kv_lora_rank != 512 || a.qk_rope_head_dim != 64 || a.index.top_k != 2048) return false;
    const std::string tail = narrow_cache() ? ".fp8" : ".bf16", skips = "skip_indexer";
    const bool own = a.index.owns_cache;
    const auto wishes = [&](const std::string& name) {
      return std::vector<KernelWish>{{name, own ? "" : skips, own ? skips : ""}, {name, "", ""}};
    };
    core.kind = AttentionCore::Kind::sparse;
    core.rest = {narrow_cache() ? 1.0 : 2.0,         static_cast<double>(c_.model.hidden),
                 static_cast<double>(a.q_lora_rank), static_cast<double>(a.qk_nope_head_dim),
                 static_cast<double>(a.v_head_dim),  own ? static_cast<double>(a.index.heads) : 0};
    const std::string_view format = format_of(TensorClass::attention);
    if (!module_curves("sparse attention", "sparse_attention_module", format,
                       wishes(tail + ".decode"), wishes(tail), core)) {
      return false;
    }
    // Prompts that see everything run the dense layer of DeepSeek-V3, whose dimensions the curve
    // has.
    if (c_.model.hidden == 7168 && a.q_lora_rank == 1536) {
      const std::vector<KernelWish> dense{{narrow_cache() ? ".fp8" : ".bf16", "", ""}};
      core.dense_prefill =
          curve("latent prefill attention", "mla_prefill_module", format, dense, Data::warm);
      core.dense_hidden = std::max(0.0, core.dense_prefill->launch - core.decode->launch);
    }
    return true;
  }

  bool compressed(const AttentionSpec& a, AttentionCore& core) const {
    if (a.head_dim != 512 || a.window != 128) return false;
    const bool picks = a.index.top_k > 0;
    const std::string tail = picks ? ".csa" : ".hca";
    core.kind = AttentionCore::Kind::compressed;
    core.rest = {narrow_cache() ? 1.0 : 2.0, static_cast<double>(c_.model.hidden),
                 static_cast<double>(a.q_lora_rank), static_cast<double>(a.compression),
                 static_cast<double>(a.index.top_k)};
    const std::vector<KernelWish> decode{{tail + ".decode", "", ""}}, prefill{{tail, "", ""}};
    return module_curves("pooled attention", "compressed_attention_module",
                         format_of(TensorClass::attention), decode, prefill, core);
  }

  AttentionCore linear(const AttentionSpec& a) const {
    const double tensor = c_.deployment.tensor;
    AttentionCore core;
    core.kind = AttentionCore::Kind::linear;
    core.prefill_launches = linear_prefill_launches;
    core.rest = {a.qk_heads / tensor,
                 static_cast<double>(a.qk_head_dim),
                 a.v_heads / tensor,
                 static_cast<double>(a.v_head_dim),
                 bytes_per_element(c_.precision.state),
                 0};
    const bool kda = a.linear == LinearKind::kda;
    std::vector<KernelWish> decode, prefill;
    if (kda) {
      decode = {{"", "kda_packed_decode", ""}, {"", "kda_decode", ""}};
      prefill = {{"", "chunk_kda", ""}, {"", "flashkda_fwd", ""}};
    }
    // Other rules than the delta rule were not measured: its kernels stand in.
    if (!kda && a.linear != LinearKind::gated_deltanet) {
      decode = prefill = {{"", a.linear == LinearKind::mamba2 ? "mamba" : "lightning", ""}};
    }
    decode.push_back({"", "fused_recurrent_gated_delta_rule", ""});
    prefill.push_back({"", "chunk_gated_delta_rule", ""});
    core.decode = curve("linear decode attention", "linear_attention", "bf16", decode);
    core.prefill =
        curve("linear prefill attention", "linear_attention", "bf16", prefill, Data::warm);
    if (a.conv_kernel == 0) return core;
    const bool mamba = a.linear == LinearKind::mamba2;
    const std::vector<KernelWish> update{{mamba ? ".mamba" : "", "conv1d_update", ".verify"},
                                         {"", "conv1d_update", ""}};
    const std::vector<KernelWish> whole{{mamba ? ".mamba" : "", "conv1d_fn", mamba ? "" : ".mamba"},
                                        {"", "conv1d_fn", ""}};
    core.decode_convolution =
        curve("short convolution", "short_convolution", "bf16", update, Data::warm);
    core.prefill_convolution =
        curve("short convolution", "short_convolution", "bf16", whole, Data::warm);
    core.channels = (2.0 * a.qk_heads * a.qk_head_dim + a.v_heads * a.v_head_dim) / tensor;
    return core;
  }

  static double shrink(const AttentionCore& core, const std::vector<ContextMix::Point>& points) {
    if (core.kind == AttentionCore::Kind::linear) return 1;
    double mean = 0, seen = 0;
    for (const ContextMix::Point& p : points) {
      mean += p.share * p.context;
      seen += p.share * core.seen(p.context);
    }
    return mean > 0 ? std::min(1.0, seen / core.seen(mean)) : 1;
  }

  /// Tells prompts that fit the indexer from others. Positions of a prompt of I tokens, C of them
  /// computed: I - C / 2 on average.
  void split_prompts(AttentionCore& core) const {
    struct Sum {
      double share = 0, rows = 0, positions = 0;
    };
    Sum dense, sparse;
    for (const ContextMix::Prompt& p : c_.contexts.prompts) {
      Sum& sum = p.context <= core.sparse_top_k ? dense : sparse;
      sum.share += p.share;
      sum.rows += p.share * p.computed;
      sum.positions += p.share * p.computed * (p.context - p.computed / 2);
    }
    if (dense.share <= 0 || sparse.share <= 0) return;
    const double shares = dense.share + sparse.share, rows = dense.rows + sparse.rows;
    const double position = (dense.positions + sparse.positions) / rows;
    const auto side = [&](const Sum& sum) {
      return AttentionCore::Side{sum.share / shares, sum.rows / sum.share / (rows / shares),
                                 sum.positions / sum.rows / position};
    };
    core.dense_side = side(dense);
    core.sparse_side = side(sparse);
  }

  void ffn(std::size_t index, double times) {
    const FfnSpec& f = c_.model.ffns[index];
    residual(times);
    if (f.kind == FfnKind::dense) {
      products(dense_ffn_matrices(c_.model.hidden, f.intermediate, f.gated, c_.deployment.tensor,
                                  TensorClass::dense_ffn),
               times);
      elementwise(times, 6.0 * f.intermediate / c_.deployment.tensor);
      reduce_hidden(times);
      return;
    }
    const double hidden = c_.model.hidden;
    const double choices = f.experts + f.zero_experts;
    products({{choices, hidden, 1, TensorClass::router}}, times);
    elementwise(times, 4 * choices);                           // gate and top-k
    if (f.shared_experts > 0) elementwise(times, 6 * hidden);  // sum with the routed ones
    if (f.shared_gate) {
      products({{1, hidden, 1, TensorClass::router}}, times);
      elementwise(times, 4 * hidden);
    }
    products(dense_ffn_matrices(c_.model.hidden, shared_width(f), f.gated, c_.deployment.tensor,
                                TensorClass::shared_experts),
             times);
    if (f.latent > 0) {
      const double width = f.latent;
      products({{width, hidden, 1, TensorClass::shared_experts},
                {hidden, width, 1, TensorClass::shared_experts}},
               times);
    }
    out_.experts.push_back(expert_layer(f, index, times));
    if (c_.deployment.data_attention == 1) {
      reduce_hidden(times);
    } else if (gathers()) {
      gather(f.latent > 0 ? f.latent : hidden, times);
    }
  }

  /// Whether data-parallel groups gather every token on every rank and scatter the sums: experts
  /// are sliced over all ranks, or each rank computes its own and masks the others.
  bool gathers() const {
    return !c_.curves.engine().sends_to_experts(c_.deployment.expert, hardware_);
  }
  /// Bytes of an element on its way to the experts: rows are gathered as they are, or quantised
  /// first where that needs no search for scales per block of fp8.
  double gathered_bytes() const {
    const std::string_view format = format_of(TensorClass::experts);
    if (!c_.curves.engine().gathers_quantised || format == "fp8_block") return 2;
    return compute_path(c_.precision.experts, hardware_.peak).activation_bytes;
  }

  void gather(double width, double times) {
    const Deployment& d = c_.deployment;
    const double rows = d.data_attention * width;
    const double ranks = d.stage_ranks();
    collective(per_token_,
               curve("all-gather", "all_gather", bytes_precision, {}, Data::cold, "nccl"), times,
               ranks, rows * gathered_bytes());
    collective(per_token_,
               curve("reduce-scatter", "reduce_scatter", "bf16", {}, Data::cold, "nccl"), times,
               ranks, rows * 2);
  }

  ExpertLayer expert_layer(const FfnSpec& f, std::size_t index, double times) const {
    const Deployment& d = c_.deployment;
    const double width = f.latent > 0 ? f.latent : c_.model.hidden;
    const ComputePath path = compute_path(c_.precision.experts, hardware_.peak);
    const double elements = expert_elements(f, c_.model.hidden) / d.expert_tensor();
    ExpertLayer layer;
    layer.layers = times;
    layer.routing = c_.routing[index].at(d.expert);
    layer.top_k = static_cast<double>(f.top_k) * f.experts / (f.experts + f.zero_experts);
    layer.ranks = d.expert;
    layer.experts = static_cast<double>(f.experts) / d.expert;
    layer.hidden = width;
    layer.inter = static_cast<double>(f.intermediate) / d.expert_tensor();
    layer.gated = f.gated ? 1 : 0;
    const std::vector<KernelWish> wishes{
        {"", f.gated ? "" : "nongated", f.gated ? "nongated" : ""}};
    const ExpertLayout layout = d.expert_tensor() > 1 ? ExpertLayout::sliced
                                : d.expert > 1        ? ExpertLayout::whole
                                                      : ExpertLayout::any;
    layer.curve =
        &c_.curves.of("moe", format_of(TensorClass::experts), wishes, Data::cold, {}, layout);
    c_.used.insert({"experts", layer.curve});
    layer.launches =
        layer.curve->launches > 0
            ? layer.curve->launches
            : expert_launches + (path.unit == ComputeClass::bf16 ? 0 : 2 * quantise_launches);
    layer.compute_per_row = 2 * elements / path.peak;
    layer.weight_seconds =
        elements * bytes_per_element(c_.precision.experts) / hardware_.memory_bandwidth;
    layer.memory_per_row =
        (width * (path.activation_bytes + 2) + layer.inter * 2 * path.activation_bytes) /
        hardware_.memory_bandwidth;
    if (d.data_attention > 1 && !gathers()) exchange(path, layer);
    return layer;
  }

  void exchange(const ComputePath& path, ExpertLayer& layer) const {
    const Deployment& d = c_.deployment;
    const double ranks = d.stage_ranks();
    layer.exchange_ranks = ranks;
    layer.senders = d.tensor;  // tokens of a group are spread over its ranks
    // A token goes to every slice of a chosen expert: prompts once to each distinct rank (DeepEP
    // normal mode), decode once per choice (low latency). Tables over NVLink count choices.
    layer.tokens_everywhere = false;
    const bool nvlink = c_.curves.engine().expert_exchange == ExpertExchange::nvlink;
    // DeepEP was measured with SGLang.
    const std::vector<KernelWish> wishes{{"", nvlink ? "NVLinkOneSided" : "deepep", ""}};
    const auto kernel = [&](std::string_view op, std::string_view precision) {
      return curve("expert exchange", op, precision, wishes, Data::cold,
                   nvlink ? "trtllm" : "sglang");
    };
    if (nvlink) {
      const char* rows = path.unit == ComputeClass::bf16  ? "bf16"
                         : path.unit == ComputeClass::fp4 ? "nvfp4"
                                                          : "fp8";
      layer.out = layer.fast_out = kernel("dispatch", rows);
      layer.back = layer.fast_back = kernel("combine", "bf16");
    } else {
      const char* rows = path.unit == ComputeClass::bf16 ? "bf16" : "fp8";
      layer.out = kernel("dispatch", rows);
      layer.back = kernel("combine", "bf16");
      layer.fast_out = kernel("dispatch_low_latency", rows);
      layer.fast_back = kernel("combine_low_latency", "bf16");
    }
    layer.fast_top_k = layer.top_k * d.expert_tensor();
    layer.exchange_top_k = layer.fast_top_k;
    if (layer.routing.decode) {
      const double reached = layer.routing.decode->destination_ranks() * d.expert_tensor() / ranks;
      if (reached < 1 - 1e-9) {
        layer.exchange_top_k =
            std::min(layer.fast_top_k, std::log1p(-reached) / std::log1p(-1 / ranks));
      }
    }
  }

  void logits() {
    const int tensor = c_.deployment.tensor;
    const double vocab = c_.model.vocab;
    product(per_logit_,
            {vocab / tensor, static_cast<double>(c_.model.hidden), 1, TensorClass::embedding}, 1);
    // Softmax and sampling: five passes over the logits, of which every rank has all.
    elementwise(per_logit_, 5, 12 * vocab / 5);
    if (tensor > 1) {
      collective(per_logit_,
                 curve("all-gather", "all_gather", bytes_precision, {}, Data::cold, "nccl"), 1,
                 tensor, 2 * vocab);
    }
  }

  const OperatorContext& c_;
  const HardwareSpec& hardware_;
  Operators per_token_, per_logit_;
  OperatorSet out_;
};

}  // namespace

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

OperatorSet build_operators(const OperatorContext& context, const PassCount& count, bool joins) {
  return Builder(context).build(count, joins);
}

}  // namespace tollgate
