#include "sim/operators/linear_attention_curves.h"

#include <array>
#include <cmath>

#include "sim/operators/attention_work.h"

namespace tollgate {
namespace {

class ShortConvolutionCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "short_convolution"; }
  std::span<const std::string_view> columns() const override { return columns_; }
  std::span<const CurveParameter> parameters() const override { return parameters_; }

  double bound(const double* x, const CurveContext& c) const override {
    return beyond_cache(bytes(x), c.device.l2) / c.device.bandwidth;
  }
  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    const double launch = p[0], memory = p[1], l2 = p[2], item = p[3], serial = p[4];
    const double moved = bytes(x);
    const double missed = miss_share(moved, c.device.l2, 0.6, 1.2);
    const double reading =
        moved / c.device.bandwidth * (missed * std::max(1 / memory, l2) + (1 - missed) * l2);
    const double items = x[0] * x[2] / 128 * item / c.device.processors;
    const double t = launch + std::max(overlapped(reading, items), serial * x[1]);
    return std::max(t, bound(x, c));
  }

 private:
  static double bytes(const double* x) { return 4 * x[0] * x[1] * x[2]; }

  static constexpr std::array<std::string_view, 3> columns_{"batch", "seq", "channels"};
  static constexpr std::array<CurveParameter, 5> parameters_{{
      {"launch", "s", 4e-6, 5e-7, 1e-3, "Time of an empty call."},
      {"memory", "1", 0.6, 0.01, 1, "Share of the memory bandwidth."},
      {"l2", "1", 0.6, 0.05, 20, "Time of a cached byte over one from memory at full bandwidth.",
       Carry::cached},
      {"item", "s", 1e-7, 1e-10, 1e-4, "Processor time of a sequence and 128 channels."},
      {"serial", "s", 1e-10, 1e-12, 1e-6, "Time per token of one sequence alone."},
  }};
};

class LinearAttentionCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "linear_attention"; }
  std::span<const std::string_view> columns() const override { return columns_; }
  std::span<const CurveParameter> parameters() const override { return parameters_; }

  double bound(const double* x, const CurveContext& c) const override {
    const double flops = 4 * x[0] * x[1] * x[4] * x[3] * x[5];
    return std::max(flops / c.device.bf16,
                    beyond_cache(bytes(x), 2 * c.device.l2) / c.device.bandwidth);
  }
  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    const double launch = p[0], memory = p[1], l2 = p[2], chunk = p[3], token = p[4], chain = p[5];
    const double seq = x[1], chunks = std::ceil(seq / 64);
    const double state = x[3] * x[5] / (128 * 128);
    const double math = x[0] * x[4] * state * (chunk * chunks + token * seq) / c.device.processors;
    const double moved = bytes(x);
    // The state is read and written in place, so only half of its traffic takes room.
    const double room = moved - x[0] * x[4] * x[3] * x[5] * x[6];
    const double missed = miss_share(room, c.device.l2, 0.6, 1.2);
    const double reading =
        moved / c.device.bandwidth * (missed * std::max(1 / memory, l2) + (1 - missed) * l2);
    const double t = launch + std::max(overlapped(math, reading), chain * chunks);
    return std::max(t, bound(x, c));
  }

 private:
  static double bytes(const double* x) {
    const double tokens = x[0] * x[1];
    return 4 * tokens * (x[2] * x[3] + x[4] * x[5]) + 2 * x[0] * x[4] * x[3] * x[5] * x[6];
  }

  static constexpr std::array<std::string_view, 7> columns_{
      "batch", "seq", "k_heads", "k_dim", "v_heads", "v_dim", "state_bytes"};
  static constexpr std::array<CurveParameter, 6> parameters_{{
      {"launch", "s", 1e-5, 5e-7, 3e-4, "Time of an empty call."},
      {"memory", "1", 0.7, 0.05, 1, "Share of the memory bandwidth."},
      {"l2", "1", 0.6, 0.05, 10, "Time of a cached byte over one from memory at full bandwidth.",
       Carry::cached},
      {"chunk", "s", 1e-6, 1e-9, 1e-4, "Processor time of a head and 64 tokens begun."},
      {"token", "s", 1e-8, 1e-11, 1e-5, "Processor time of a head and token."},
      {"chain", "s", 1e-6, 1e-9, 1e-4, "Time of 64 tokens of one sequence alone."},
  }};
};

}  // namespace

const OperatorCurve& short_convolution_curve() {
  static const ShortConvolutionCurve curve;
  return curve;
}
const OperatorCurve& linear_attention_curve() {
  static const LinearAttentionCurve curve;
  return curve;
}

}  // namespace tollgate
