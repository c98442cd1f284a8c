#include "sim/operators/attention_tables.h"

#include <array>

#include "sim/base/text.h"
#include "sim/operators/attention_kernels.h"
#include "sim/operators/decode_attention_curve.h"
#include "sim/operators/linear_attention_curves.h"
#include "sim/operators/mla_curves.h"
#include "sim/operators/prefill_attention_curve.h"
#include "sim/operators/sparse_attention_curves.h"

namespace tollgate {
namespace {

std::string format_of(const TableRow& row, std::string_view column) {
  const NumberFormat* format = find_number_format(row.text(column));
  if (!format) {
    row.refuse(std::string(column) + " is " + quote(row.text(column)) +
               ", which is not a number format.");
  }
  return std::string(format->name);
}
double bytes_of(const TableRow& row, std::string_view column) {
  return format_of(row, column).starts_with("fp8") ? 1 : 2;
}

OperatorSample sample_of(const TableRow& row, std::string_view op, std::string precision,
                         std::string kernel, std::vector<double> shape) {
  OperatorSample s;
  s.key = {std::string(op), std::string(row.text("backend")), std::move(precision),
           std::move(kernel)};
  s.version = row.text("version");
  s.shape = std::move(shape);
  s.seconds = row.number("latency_us") * 1e-6;
  return s;
}

/// fp8: cache and products; w8a16: an fp8 cache and bf16 products.
std::string attention_precision(const TableRow& row, std::string_view dtype) {
  const bool products = bytes_of(row, dtype) < 2, cache = bytes_of(row, "kv_dtype") < 2;
  return products ? "fp8" : cache ? "w8a16" : "bf16";
}
std::string cache_suffix(const TableRow& row) {
  return bytes_of(row, "kv_dtype") < 2 ? ".fp8" : ".bf16";
}
double context_of(const TableRow& row) { return row.number("past_kv") + row.number("seq_q"); }

void read_context(const TableRow& row, std::vector<OperatorSample>& out) {
  const double dim = row.number("head_dim"), window = row.number_or("window", 0);
  // SGLang's rows of 8192 (Llama 4) attend in chunks of 8192, which is less than a window.
  if (window == 8192 && row.text("backend") == "sglang") return;
  out.push_back(sample_of(row, "prefill_attention", attention_precision(row, "attn_dtype"),
                          prefill_kernel(row.text("kernel"), dim),
                          {row.number("batch"), row.number("seq"), row.number("past_kv"),
                           row.number("heads"), row.number("kv_heads"), dim, window}));
}

void read_generation(const TableRow& row, std::vector<OperatorSample>& out) {
  const double dim = row.number("head_dim"), window = row.number_or("window", 0);
  const double heads = row.number("heads"), kv_heads = row.number("kv_heads");
  if (window == 8192 && row.text("backend") == "sglang") return;
  out.push_back(sample_of(row, "decode_attention", format_of(row, "kv_dtype"),
                          decode_kernel(row.text("kernel"), dim, heads, kv_heads, window),
                          {row.number("batch"), context_of(row), heads, kv_heads, dim, window}));
}

void read_mla_context(const TableRow& row, std::vector<OperatorSample>& out) {
  out.push_back(sample_of(
      row, "mla_prefill", attention_precision(row, "dtype"), std::string(row.text("kernel")),
      {row.number("batch"), row.number("seq"), row.number("past_kv"), row.number("heads")}));
}

void read_mla_generation(const TableRow& row, std::vector<OperatorSample>& out) {
  const std::string cache = format_of(row, "kv_dtype");
  const double heads = row.number("heads");
  const bool rtx = row.has("system") && row.text("system").starts_with("rtx_pro");
  const std::string kernel = latent_decode_kernel(row.text("kernel"), row.text("backend"),
                                                  rtx ? "blackwell_rtx" : "", cache, heads);
  out.push_back(
      sample_of(row, "mla_decode", cache, kernel, {row.number("batch"), context_of(row), heads}));
}

/// Modules without a model are those of SGLang's wide expert parallelism, of DeepSeek-V3 too.
std::string module_kernel(const TableRow& row) {
  const std::string prefix = row.has("model") ? "" : "wideep_";
  return prefix + std::string(row.text("kernel"));
}
bool other_model(const TableRow& row) {
  return row.has("model") && row.text("model").find("DeepSeek-V3") == std::string_view::npos;
}

void read_mla_context_module(const TableRow& row, std::vector<OperatorSample>& out) {
  if (other_model(row)) return;
  const std::string products = attention_precision(row, "dtype");
  out.push_back(sample_of(
      row, "mla_prefill_module", format_of(row, "gemm_dtype"), module_kernel(row) + "." + products,
      {row.number("batch"), row.number("seq"), row.number("past_kv"), row.number("heads"),
       bytes_of(row, "kv_dtype"), bytes_of(row, "dtype")}));
}

void read_mla_generation_module(const TableRow& row, std::vector<OperatorSample>& out) {
  if (other_model(row)) return;
  out.push_back(sample_of(
      row, "mla_decode_module", format_of(row, "gemm_dtype"),
      module_kernel(row) + cache_suffix(row),
      {row.number("batch"), context_of(row), row.number("heads"), bytes_of(row, "kv_dtype")}));
}

bool convolves(const TableRow& row) {
  return row.text("kernel").find("conv1d") != std::string_view::npos;
}
void add_convolution(const TableRow& row, double channels, std::string_view prefix,
                     std::vector<OperatorSample>& out) {
  const std::string phase = row.text("phase") == "verify" ? ".verify" : "";
  out.push_back(sample_of(row, "short_convolution", "bf16",
                          std::string(prefix) + std::string(row.text("kernel")) + phase,
                          {row.number("batch"), row.number("seq"), channels}));
}

/// States are kept in float32 (aiconfigurator gdn_perf, kda_perf).
void read_linear(const TableRow& row, std::vector<OperatorSample>& out) {
  const double k_heads = row.number("k_heads"), k_dim = row.number("k_dim");
  const double v_heads = row.number("v_heads"), v_dim = row.number("v_dim");
  if (convolves(row)) return add_convolution(row, 2 * k_heads * k_dim + v_heads * v_dim, "", out);
  out.push_back(
      sample_of(row, "linear_attention", "bf16", std::string(row.text("kernel")),
                {row.number("batch"), row.number("seq"), k_heads, k_dim, v_heads, v_dim, 4}));
}

/// Mamba-2: x of all heads, B and C of all groups pass the convolution, which TensorRT-LLM times
/// apart from that of the other rules.
void read_mamba(const TableRow& row, std::vector<OperatorSample>& out) {
  if (!convolves(row)) return;
  add_convolution(row,
                  row.number("heads") * row.number("head_dim") +
                      2 * row.number("groups") * row.number("d_state"),
                  "mamba_", out);
}

struct SparseModel {
  std::string_view part;  ///< of the name in tables
  double hidden, query_rank, nope, value, index_heads, top_k;
};
// Their config.json; top_k of the pooled index.
constexpr std::array<SparseModel, 4> sparse_models{{
    {"DeepSeek-V3.2", 7168, 1536, 128, 128, 64, 0},
    {"GLM-5", 6144, 2048, 192, 256, 32, 0},
    {"DeepSeek-V4-Pro", 7168, 1536, 0, 0, 0, 1024},
    {"DeepSeek-V4-Flash", 4096, 1024, 0, 0, 0, 512},
}};

void read_sparse(const TableRow& row, std::vector<OperatorSample>& out) {
  const std::string_view library = row.text("kernel");
  // Short prompts that see everything run the dense kernel of MLA.
  if (library.find("dense_mha") != std::string_view::npos) return;
  const SparseModel* model = nullptr;
  for (const SparseModel& m : sparse_models) {
    if (row.text("model").find(m.part) != std::string_view::npos) model = &m;
  }
  if (!model) return;
  const double seq = row.number("seq"), cache = bytes_of(row, "kv_dtype");
  const double ratio = row.number_or("compress_ratio", 0);
  const std::string phase = seq == 1 ? ".decode" : "";
  std::vector<double> shape{row.number("batch"), seq,   row.number("past_kv"),
                            row.number("heads"), cache, model->hidden,
                            model->query_rank};
  if (ratio == 0) {
    const bool reuses = library.find("skip_indexer") != std::string_view::npos;
    shape.insert(shape.end(), {model->nope, model->value, reuses ? 0 : model->index_heads});
    out.push_back(sample_of(row, "sparse_attention_module", format_of(row, "gemm_dtype"),
                            std::string(library) + cache_suffix(row) + phase, std::move(shape)));
  } else {
    shape.insert(shape.end(), {ratio, ratio < 16 ? model->top_k : 0});
    out.push_back(sample_of(row, "compressed_attention_module", format_of(row, "gemm_dtype"),
                            std::string(library) + (ratio < 16 ? ".csa" : ".hca") + phase,
                            std::move(shape)));
  }
}

}  // namespace

std::span<const OperatorCurve* const> attention_curves() {
  static const std::array<const OperatorCurve*, 10> curves{&prefill_attention_curve(),
                                                           &decode_attention_curve(),
                                                           &mla_prefill_curve(),
                                                           &mla_decode_curve(),
                                                           &mla_prefill_module_curve(),
                                                           &mla_decode_module_curve(),
                                                           &short_convolution_curve(),
                                                           &linear_attention_curve(),
                                                           &sparse_attention_module_curve(),
                                                           &compressed_attention_module_curve()};
  return curves;
}

std::vector<TableFormat> attention_tables() {
  return {
      {"aiconfigurator sparse attention modules",
       {"backend", "version", "kernel", "model", "kv_dtype", "gemm_dtype", "heads", "batch", "seq",
        "past_kv", "compress_ratio", "latency_us"},
       {},
       read_sparse},
      {"aiconfigurator context_attention",
       {"backend", "version", "attn_dtype", "kv_dtype", "kernel", "head_dim", "heads", "kv_heads",
        "batch", "seq", "past_kv", "latency_us"},
       {"gemm_dtype"},
       read_context},
      {"aiconfigurator generation_attention",
       {"backend", "version", "kv_dtype", "kernel", "head_dim", "heads", "kv_heads", "batch",
        "seq_q", "past_kv", "latency_us"},
       {"gemm_dtype"},
       read_generation},
      {"aiconfigurator mla_context_module",
       {"backend", "version", "dtype", "kv_dtype", "gemm_dtype", "kernel", "heads", "batch", "seq",
        "past_kv", "latency_us"},
       {"attn_dtype"},
       read_mla_context_module},
      {"aiconfigurator mla_generation_module",
       {"backend", "version", "kv_dtype", "gemm_dtype", "kernel", "heads", "batch", "seq_q",
        "past_kv", "latency_us"},
       {"attn_dtype"},
       read_mla_generation_module},
      {"aiconfigurator context_mla",
       {"backend", "version", "dtype", "kv_dtype", "kernel", "heads", "batch", "seq", "past_kv",
        "latency_us"},
       {"gemm_dtype", "head_dim", "kv_heads"},
       read_mla_context},
      {"aiconfigurator generation_mla",
       {"backend", "version", "kv_dtype", "kernel", "heads", "batch", "seq_q", "past_kv",
        "latency_us"},
       {"gemm_dtype", "head_dim", "kv_heads"},
       read_mla_generation},
      {"aiconfigurator gdn and kda",
       {"backend", "version", "kernel", "phase", "k_heads", "k_dim", "v_heads", "v_dim", "batch",
        "seq", "latency_us"},
       {},
       read_linear},
      {"aiconfigurator mamba2",
       {"backend", "version", "kernel", "phase", "heads", "head_dim", "groups", "d_state", "batch",
        "seq", "latency_us"},
       {},
       read_mamba},
  };
}

}  // namespace tollgate
