#include "sim/operators/decode_attention_curve.h"

#include <array>

#include "sim/operators/attention_work.h"

namespace tollgate {
namespace {

/// Rows of the narrowest matrix instruction (mma.m16n8k16).
constexpr double matrix_rows = 16;

class DecodeAttentionCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "decode_attention"; }
  std::span<const std::string_view> columns() const override { return columns_; }
  std::span<const CurveParameter> parameters() const override { return parameters_; }

  double bound(const double* x, const CurveContext& context) const override {
    const Shape s = shape_of(x);
    const Device& device = context.device;
    const double flops = 4 * s.dim * s.batch * s.heads * seen(s);
    return std::max(flops / peak_of(*context.format, device),
                    beyond_cache(bytes(s, context), device.l2) / device.bandwidth);
  }

  double seconds(const double* x, const CurveContext& context, const double* p) const override {
    const Shape s = shape_of(x);
    const double launch = p[0], memory = p[1], item = p[2], compute = p[3], l2 = p[4];
    const double pack = p[5], serial = p[6], split = p[7];
    const Device& device = context.device;
    const double positions = seen(s);
    const double items = s.batch * (s.heads + pack * (s.kv_heads - s.heads));
    const double rows = s.batch * std::max(s.heads, matrix_rows * pack * s.kv_heads);
    const double peak = peak_of(*context.format, device);
    const double fixed =
        items * item / device.processors + 4 * s.dim * positions * rows / (peak * compute);
    const double moved = bytes(s, context);
    const double missed = miss_share(moved, device.l2, 0.72, 1.2);
    const double reading = moved / device.bandwidth * (missed / memory + (1 - missed) * l2);
    const double parts = std::max(1.0, 1 + split * (device.processors / items - 1));
    return std::max(launch + std::max(overlapped(fixed, reading), serial * positions / parts),
                    bound(x, context));
  }

 private:
  struct Shape {
    double batch, context, heads, kv_heads, dim, window;
  };
  static Shape shape_of(const double* x) { return {x[0], x[1], x[2], x[3], x[4], x[5]}; }
  static double seen(const Shape& s) {
    return s.window > 0 ? std::min(s.context, s.window) : s.context;
  }
  /// Keys and values as cached, queries and outputs in bf16.
  static double bytes(const Shape& s, const CurveContext& context) {
    return s.batch * s.dim *
           (2 * seen(s) * s.kv_heads * context.format->weight_bytes + 4 * s.heads);
  }

  static constexpr std::array<std::string_view, 6> columns_{"batch",    "context",  "heads",
                                                            "kv_heads", "head_dim", "window"};
  static constexpr std::array<CurveParameter, 8> parameters_{{
      {"launch", "s", 1e-5, 1e-6, 3e-4, "Time of an empty call."},
      {"memory", "1", 0.8, 0.05, 1, "Share of the memory bandwidth."},
      {"item", "s", 3e-6, 1e-8, 1e-3, "Processor time of a sequence and key-value head."},
      {"compute", "1", 0.3, 0.001, 1, "Share of the peak in the products."},
      {"l2", "1", 0.6, 0.05, 1, "Time of a byte from the last-level cache over one from memory.",
       Carry::cached},
      {"pack", "1", 0.8, 0, 1, "1 if a group of query heads reads its keys together."},
      {"serial", "s", 1.5e-8, 1e-11, 1e-6, "Time per position of one processor alone.",
       Carry::clock},
      {"split", "1", 0.5, 0, 1, "1 if one sequence can use every processor."},
  }};
};

}  // namespace

const OperatorCurve& decode_attention_curve() {
  static const DecodeAttentionCurve curve;
  return curve;
}

double uneven_decode_seconds(double mean_seconds, double longest_seconds, double alpha) {
  return mean_seconds + alpha * (longest_seconds - mean_seconds);
}

}  // namespace tollgate
