#include "sim/operators/prefill_attention_curve.h"

#include <array>
#include <cmath>

#include "sim/operators/attention_work.h"

namespace tollgate {
namespace {

/// Time of a byte read from the last-level cache over one from memory: 2 to 5 times faster on
/// Hopper, Ada and Blackwell tables; prefill hardly depends on it.
constexpr double cached_byte = 0.3;

class PrefillAttentionCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "prefill_attention"; }
  std::span<const std::string_view> columns() const override { return columns_; }
  std::span<const CurveParameter> parameters() const override { return parameters_; }

  double bound(const double* x, const CurveContext& context) const override {
    const auto [batch, seq, past, heads, kv_heads, dim, window] = shape_of(x);
    const double flops = 4 * dim * batch * heads * visible_pairs(seq, past, window);
    const Device& device = context.device;
    return std::max(flops / peak_of(*context.format, device),
                    beyond_cache(bytes(x, context), device.l2) / device.bandwidth);
  }

  double seconds(const double* x, const CurveContext& context, const double* p) const override {
    const auto [batch, seq, past, heads, kv_heads, dim, window] = shape_of(x);
    const double launch = p[0], compute = p[1], memory = p[2], tile = p[3], pad = p[4];
    const double pack = p[5], tail = p[6], lone = p[7], skip = p[8], kv = p[9];
    const Device& device = context.device;
    const double processors = device.processors;
    const double peak = peak_of(*context.format, device);

    const double plain = heads * std::ceil(seq / attention_tile);
    const double packed = kv_heads * std::ceil(seq * heads / kv_heads / attention_tile);
    const double tiles = batch * (plain + pack * (packed - plain));

    const double context_length = seq + past;
    const double all = visible_pairs(seq, past);
    const double rows = std::min(seq, attention_tile);
    double pairs = all, last_row = context_length, past_seen = past;
    if (window > 0 && window < context_length) {
      const double seen = std::min(all, visible_pairs(seq, past, window) + seq * pad);
      pairs -= skip * (all - seen);
      last_row -= skip * std::max(0.0, context_length - window - rows);
      past_seen -= skip * std::max(0.0, past - window);
    }
    const double idle = std::max(0.0, tiles * attention_tile - batch * heads * seq);
    const double pair = 4 * dim * processors / (peak * compute);
    const double work =
        tiles * tile + pair * (batch * heads * (pairs + pad * seq) + idle * past_seen);
    const double heaviest =
        tile + pair * (rows * (last_row + pad) + (attention_tile - rows) * past_seen);
    const double math = tiled_seconds(work, tiles, heaviest, processors, tail, lone);

    const double moved = bytes(x, context);
    const double missed = miss_share(moved, device.l2, 0.6, 1.2);
    const double memory_time = moved / device.bandwidth * (missed / memory + cached_byte);
    const double cache = 2 * batch * context_length * kv_heads * dim * context.format->weight_bytes;
    const double t = launch + std::max(math, memory_time) + kv * cache / device.bandwidth;
    return std::max(t, bound(x, context));
  }

 private:
  struct Shape {
    double batch, seq, past, heads, kv_heads, dim, window;
  };
  static Shape shape_of(const double* x) { return {x[0], x[1], x[2], x[3], x[4], x[5], x[6]}; }

  /// Queries and outputs in bf16, keys and values as cached.
  static double bytes(const double* x, const CurveContext& context) {
    const Shape s = shape_of(x);
    const double positions = visible_positions(s.seq, s.past, s.window);
    return s.batch * s.dim *
           (4 * s.seq * s.heads + 2 * positions * s.kv_heads * context.format->weight_bytes);
  }

  static constexpr std::array<std::string_view, 7> columns_{
      "batch", "seq", "past", "heads", "kv_heads", "head_dim", "window"};
  static constexpr std::array<CurveParameter, 10> parameters_{{
      {"launch", "s", 1e-5, 1e-6, 3e-4, "Time of an empty call."},
      {"compute", "1", 0.6, 0.02, 1, "Share of the peak inside a tile."},
      {"memory", "1", 0.5, 0.1, 1, "Share of the memory bandwidth."},
      {"tile", "s", 1e-6, 1e-8, 2e-5, "Time a tile takes beside its products."},
      {"pad", "1", 64, 8, 400, "Keys per query computed beyond the mask's edge."},
      {"pack", "1", 0.5, 0, 1, "1 if the queries of a group share a tile."},
      {"tail", "1", 0.3, 0.001, 2, "Heaviest tiles that the end waits for."},
      {"lone", "1", 0.7, 0.1, 2, "Time of a tile alone on a processor over that among others."},
      {"skip", "1", 1, 0, 1, "Share of the keys outside a window that is not computed."},
      {"kv", "1", 0.5, 0.001, 20, "Extra passes over keys and values, at full bandwidth."},
  }};
};

}  // namespace

const OperatorCurve& prefill_attention_curve() {
  static const PrefillAttentionCurve curve;
  return curve;
}

}  // namespace tollgate
