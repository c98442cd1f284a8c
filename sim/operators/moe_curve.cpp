#include "sim/operators/moe_curve.h"

#include <algorithm>
#include <array>

#include "sim/operators/tiles.h"

namespace tollgate {
namespace {

struct Moe final : OperatorCurve {
  enum Index {
    compute,
    memory,
    launch,
    overlap,
    k_step,
    load,
    expert,
    resident,
    scatter,
    token,
    route,
    dispatch,
    blindness,
    count
  };
  enum Column {
    hidden,
    inter,
    gated,
    tokens,
    choices,
    rows,
    active,
    rows16,
    rows64,
    rows128,
    experts,
    copies,
    width
  };
  static constexpr std::array<std::string_view, width> columns_of{
      "hidden", "inter",  "gated",  "tokens",  "choices", "rows",
      "active", "rows16", "rows64", "rows128", "experts", "copies"};
  static constexpr std::array<CurveParameter, count> parameters_of{{
      {"compute", "1", 0.6, 0.02, 1, "Share of the peak inside a tile."},
      {"memory", "1", 0.8, 0.05, 1, "Share of the memory bandwidth."},
      {"launch", "s", 25e-6, 1e-6, 1e-3, "Time of an empty layer."},
      {"overlap", "1", 0.2, 0.001, 1, "Share of the shorter of compute and memory left exposed."},
      {"k_step", "s", 0.5e-9, 1e-11, 1e-8, "Least time of a processor per element of k.",
       Carry::tile},
      {"load", "1", 3, 0.2, 50, "Loads of one processor over its share of the bandwidth.",
       Carry::on_chip},
      {"expert", "s", 1e-7, 1e-10, 5e-6, "Time per active expert."},
      {"resident", "1", 0.5, 0.01, 1, "Share of the last-level cache that keeps weights."},
      {"scatter", "1", 1, 0.01, 50, "Permutation, share of the memory bandwidth.", Carry::on_chip},
      {"token", "s", 1e-9, 1e-11, 1e-6, "Time per token entering."},
      {"route", "1", 0.5, 0.01, 50, "Rows of this rank, share of the memory bandwidth.",
       Carry::on_chip},
      {"dispatch", "1", 0.1, 0.001, 20, "Extra cost of low tiles once tokens outnumber experts."},
      {"blind", "1", 0.1, 0.001, 1, "How far tiles are as high as choices of other ranks ask for."},
  }};

  std::string_view op() const override { return "moe"; }
  std::span<const std::string_view> columns() const override { return columns_of; }
  std::span<const CurveParameter> parameters() const override { return parameters_of; }
  std::size_t sizes() const override { return copies; }

  static Traffic bytes_of(const double* x, const CurveContext& c, double share) {
    const double elements = (2 + x[gated]) * x[hidden] * x[inter];
    const double weights = x[active] * elements * c.format->weight_bytes;
    // In and out at hidden width, the activation between written and read.
    const double a = c.format->activation_bytes;
    const double activations = x[rows] * (x[hidden] * (a + 2) + x[inter] * 2 * a);
    return traffic_of(weights, activations, x[copies], share, c.device);
  }

  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    const double bandwidth = c.device.bandwidth, share = processors_of(c.device);
    const double flop = share / (peak_of(*c.format, c.device) * p[compute]);
    const double byte = share / (bandwidth * p[load]);
    const double up = round_up((1 + x[gated]) * x[inter] * (1.0 / 128)) / share;
    const double down = round_up(x[hidden] * (1.0 / 128)) / share;
    const double low = x[tokens] > x[experts] ? 1 + p[dispatch] : 1;
    double products = 1e30, blind = 1e30;
    const double filled = x[choices] / x[experts];
    const double least = filled <= 16 ? 16 : filled <= 64 ? 64 : 128;
    const auto tile = [&](double height, double padded, double factor) {
      const double loads =
          (height * c.format->activation_bytes + 128 * c.format->weight_bytes) * byte;
      const double step = std::max({p[k_step], 2 * height * 128 * flop, loads}) * factor;
      const double blocks = padded * (1 / height);
      const double took =
          step * (x[hidden] * round_up(blocks * up) + x[inter] * round_up(blocks * down));
      products = std::min(products, took);
      if (height >= least) blind = std::min(blind, took);
    };
    tile(16, x[rows16], low);
    tile(64, x[rows64], 1);
    tile(128, x[rows128], 1);
    products += p[blindness] * (blind - products);
    const double traffic = seconds_of(bytes_of(x, c, p[resident]), bandwidth, p[memory]);
    return p[launch] + std::max(products, traffic) + p[overlap] * std::min(products, traffic) +
           p[expert] * x[active] + 6 * x[rows] * x[hidden] / (bandwidth * p[route]) +
           p[token] * x[tokens] +
           x[choices] * (2 * x[hidden] + 4 * x[inter]) / (bandwidth * p[scatter]);
  }

  double bound(const double* x, const CurveContext& c) const override {
    const double flops = 2 * x[rows] * (2 + x[gated]) * x[hidden] * x[inter];
    return std::max(flops / peak_of(*c.format, c.device),
                    bytes_of(x, c, 1).memory / c.device.bandwidth);
  }
};

}  // namespace

const OperatorCurve& moe_curve() {
  static const Moe curve;
  return curve;
}

}  // namespace tollgate
