#include "sim/operators/sparse_attention_curves.h"

#include <array>

#include "sim/operators/attention_work.h"

namespace tollgate {
namespace {

constexpr double index_dim = 128, score_bytes = 4;
constexpr double latent = 512, rotary = 64, selected = 2048;                 // DeepSeek-V3.2, GLM-5
constexpr double pooled_dim = 512, pooled_window = 128, output_rank = 1024;  // DeepSeek-V4
constexpr double pooled_index_heads = 64, heads_per_group = 8;
/// Queries of a prompt that share a gathered position: neighbours pick nearly the same ones, and
/// kernels take the heads of one query as a tile; data cannot tell it from `memory`.
constexpr double sharing = 16;

struct Work {
  double tokens;       ///< new ones, of all sequences
  double seq;          ///< of one sequence
  double projections;  ///< elements of weights
  double pairs;        ///< of a query and an attended position
  double pair_flops;   ///< per head
  double entry_bytes;  ///< of an attended position
  double heads;
  double index_pairs;  ///< of a query and an indexed position, 0 where nothing is selected
  double index_heads;
  double cache_bytes;  ///< per element
};

constexpr std::array<CurveParameter, 9> parameters_of_both{{
    {"launch", "s", 5e-5, 1e-6, 2e-3, "Time of an empty call."},
    {"gemm", "1", 0.5, 0.02, 1, "Share of the projections' peak."},
    {"weights_memory", "1", 0.5, 0.02, 1, "Share of the bandwidth in reading projections."},
    {"compute", "1", 0.3, 0.005, 1, "Share of the peak in attention."},
    {"memory", "1", 0.5, 0.02, 1, "Share of the bandwidth in gathering positions."},
    {"rows", "1", 16, 1, 128, "Heads computed at least."},
    {"select", "s", 2e-5, 1e-7, 1e-3, "Time of an empty selection."},
    {"index", "1", 0.3, 0.005, 1, "Share of the peak in the index."},
    {"passes", "1", 4, 0.1, 400, "Passes over the scores to select."},
}};

double product_peak(const Work& w, const Device& device) {
  return w.cache_bytes < 2 && device.fp8 > 0 ? device.fp8 : device.bf16;
}
double index_peak(const Device& device) { return device.fp8 > 0 ? device.fp8 : device.bf16; }

double bound_of(const Work& w, const CurveContext& c) {
  const Device& device = c.device;
  const double projection =
      std::max(2 * w.tokens * w.projections / peak_of(*c.format, device),
               beyond_cache(w.projections * c.format->weight_bytes, device.l2) / device.bandwidth);
  const double attention = w.pairs * w.heads * w.pair_flops / product_peak(w, device);
  const double index = 2 * w.index_pairs * w.index_heads * index_dim / index_peak(device);
  return projection + attention + index;
}

double seconds_of(const Work& w, const CurveContext& c, const double* p) {
  const double launch = p[0], gemm = p[1], weights_memory = p[2], compute = p[3], memory = p[4];
  const double rows = p[5], select = p[6], index = p[7], passes = p[8];
  const Device& device = c.device;
  const double projection =
      overlapped(2 * w.tokens * w.projections / (gemm * peak_of(*c.format, device)),
                 w.projections * c.format->weight_bytes / (weights_memory * device.bandwidth));
  const double gathered = w.pairs * w.entry_bytes / std::min(w.seq, sharing);
  const double attention = std::max(
      w.pairs * std::max(w.heads, rows) * w.pair_flops / (compute * product_peak(w, device)),
      gathered / (memory * device.bandwidth));
  double selection = 0;
  if (w.index_pairs > 0) {
    selection = select +
                2 * w.index_pairs * w.index_heads * index_dim / (index * index_peak(device)) +
                passes * score_bytes * w.index_pairs / device.bandwidth;
  }
  return std::max(launch + projection + attention + selection, bound_of(w, c));
}

/// What both modules share; they differ in the work that a shape asks for.
template <class Module>
class ModuleCurve : public OperatorCurve {
 public:
  std::span<const CurveParameter> parameters() const override { return parameters_of_both; }
  double bound(const double* x, const CurveContext& c) const override {
    return bound_of(Module::work_of(x), c);
  }
  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    return seconds_of(Module::work_of(x), c, p);
  }
};

class SparseAttentionModuleCurve final : public ModuleCurve<SparseAttentionModuleCurve> {
 public:
  std::string_view op() const override { return "sparse_attention_module"; }
  std::span<const std::string_view> columns() const override { return columns_; }

  static Work work_of(const double* x) {
    const double batch = x[0], seq = x[1], past = x[2], heads = x[3], cache_bytes = x[4];
    const double hidden = x[5], query_rank = x[6], nope = x[7], value = x[8], index_heads = x[9];
    Work w{};
    w.tokens = batch * seq;
    w.seq = seq;
    w.projections = hidden * (query_rank + latent + rotary) + query_rank * heads * (nope + rotary) +
                    latent * heads * (nope + value) + heads * value * hidden;
    if (index_heads > 0) {
      w.projections += query_rank * index_heads * index_dim + hidden * (index_dim + index_heads);
    }
    w.pairs = batch * visible_pairs(seq, past, selected);
    w.pair_flops = 2 * (2 * latent + rotary);
    w.entry_bytes = (latent + rotary) * cache_bytes;
    w.heads = heads;
    w.index_heads = index_heads;
    if (index_heads > 0 && seq + past > selected) {
      w.index_pairs = batch * visible_pairs(seq, past);
    }
    w.cache_bytes = cache_bytes;
    return w;
  }

 private:
  static constexpr std::array<std::string_view, 10> columns_{
      "batch",  "seq",        "past", "heads", "cache_bytes",
      "hidden", "query_rank", "nope", "value", "index_heads"};
};

class CompressedAttentionModuleCurve final : public ModuleCurve<CompressedAttentionModuleCurve> {
 public:
  std::string_view op() const override { return "compressed_attention_module"; }
  std::span<const std::string_view> columns() const override { return columns_; }

  static Work work_of(const double* x) {
    const double batch = x[0], seq = x[1], past = x[2], heads = x[3], cache_bytes = x[4];
    const double hidden = x[5], query_rank = x[6], ratio = x[7], top_k = x[8];
    Work w{};
    w.tokens = batch * seq;
    w.seq = seq;
    // Keys of the window, and a pooled key and its gate.
    w.projections = hidden * (query_rank + 3 * pooled_dim) + query_rank * heads * pooled_dim +
                    heads * pooled_dim * output_rank +
                    heads / heads_per_group * output_rank * hidden;
    w.pairs = batch * (visible_pairs(seq, past, pooled_window) +
                       visible_pairs(seq, past, top_k * ratio) / ratio);
    w.pair_flops = 4 * pooled_dim;
    w.entry_bytes = pooled_dim * cache_bytes;
    w.heads = heads;
    if (top_k > 0) {
      w.projections += query_rank * pooled_index_heads * index_dim +
                       hidden * (2 * index_dim + pooled_index_heads);
      w.index_heads = pooled_index_heads;
      if (seq + past > top_k * ratio) w.index_pairs = batch * visible_pairs(seq, past) / ratio;
    }
    w.cache_bytes = cache_bytes;
    return w;
  }

 private:
  static constexpr std::array<std::string_view, 9> columns_{
      "batch", "seq", "past", "heads", "cache_bytes", "hidden", "query_rank", "ratio", "top_k"};
};

}  // namespace

const OperatorCurve& sparse_attention_module_curve() {
  static const SparseAttentionModuleCurve curve;
  return curve;
}
const OperatorCurve& compressed_attention_module_curve() {
  static const CompressedAttentionModuleCurve curve;
  return curve;
}

}  // namespace tollgate
