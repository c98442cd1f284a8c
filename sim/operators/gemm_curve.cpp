#include "sim/operators/gemm_curve.h"

#include <algorithm>
#include <array>

#include "sim/operators/tiles.h"

namespace tollgate {
namespace {

constexpr double power_limited = 1e-3;  // seconds of one product until the clock gives way

struct Gemm final : OperatorCurve {
  enum Index {
    compute,
    memory,
    launch,
    overlap,
    k_step,
    load,
    epilogue,
    wave,
    split,
    sustained,
    quantise,
    row,
    resident,
    by_rows,
    l2,
    count
  };
  static constexpr std::array<std::string_view, 6> columns_of{"m",      "n",      "k",
                                                              "copies", "inputs", "until_full"};
  static constexpr std::array<CurveParameter, count> parameters_of{{
      {"compute", "1", 0.8, 0.1, 1, "Share of the peak inside a tile.", Carry::power},
      {"memory", "1", 0.85, 0.1, 1, "Share of the memory bandwidth."},
      {"launch", "s", 3e-6, 2e-7, 400e-6, "Time of an empty call."},
      {"overlap", "1", 0.2, 0.001, 1, "Share of the shorter of compute and memory left exposed."},
      {"k_step", "s", 0.5e-9, 1e-11, 1e-8, "Least time of a processor per element of k.",
       Carry::tile},
      {"load", "1", 3, 0.5, 50, "Loads of one processor over its share of the bandwidth.",
       Carry::on_chip},
      {"epilogue", "1", 2, 0.02, 50, "Stores of one processor over its share of the bandwidth.",
       Carry::on_chip},
      {"wave", "1", 0.5, 0.01, 1, "Share of a part-filled last wave that is paid."},
      {"split", "s", 1e-6, 1e-8, 1e-3, "Cost of splitting k by four once.", Carry::clock},
      {"sustained", "1", 0.1, 0.0001, 0.25, "Slowdown of what lasts beyond a millisecond."},
      {"quantise", "1", 0.4, 0.02, 10, "Quantisation, share of the memory bandwidth.",
       Carry::on_chip},
      {"row", "s", 1e-10, 1e-12, 1e-7, "Quantisation, least time per row."},
      {"resident", "1", 0.5, 0.01, 1, "Share of the last-level cache that keeps weights."},
      {"by_rows", "1", 0.05, 0, 1, "1 if the tile depends on m alone and k is not split.",
       Carry::dispatch},
      {"l2", "1", 0.25, 0.02, 1, "Time of a byte from the last-level cache over one from memory.",
       Carry::cached},
  }};

  std::string_view op() const override { return "gemm"; }
  std::span<const std::string_view> columns() const override { return columns_of; }
  std::span<const CurveParameter> parameters() const override { return parameters_of; }
  std::size_t sizes() const override { return 3; }

  static Traffic bytes_of(const double* x, const CurveContext& c, double resident) {
    const double weights = c.format->weight_bytes * x[1] * x[2];
    const double activations = x[0] * (c.format->activation_bytes * x[2] + 2 * x[1]);
    const double others = std::max(0.0, x[4] - 1) * x[0] * x[2] * c.format->activation_bytes;
    const double enough = x[5] > 0 ? round_up(c.device.l2 / weights) : x[3];
    return traffic_of(weights, activations, std::min(x[3], enough), resident, c.device, others);
  }

  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    const double m = x[0], n = x[1], k = x[2];
    const double bandwidth = c.device.bandwidth, share = processors_of(c.device);
    const double per_processor = 1 / share;
    const double flop = share / (peak_of(*c.format, c.device) * p[compute]);
    const double byte = share / (bandwidth * p[load]);
    const double stored = 2 * share / (bandwidth * p[epilogue]);

    double products = 1e30;
    const auto tile = [&](double rows, double columns, bool may_split = true) {
      const double tall = std::min(m, rows), wide = std::min(n, columns);
      const double loads =
          (tall * c.format->activation_bytes + wide * c.format->weight_bytes) * byte;
      const double step = std::max({p[k_step], 2 * rows * columns * flop, loads}) * k;
      const double tail = tall * wide * stored;
      double w = round_up(m * (1 / rows)) * round_up(n * (1 / columns)) * per_processor;
      double parts = 1, cost = 0;
      for (int i = 0; i < 3; ++i) {
        const double full = std::max(1.0, w);
        const double waves = full + p[wave] * (round_up(full) - full);
        products = std::min(products, waves * (step * parts + tail) + cost);
        if (w >= 1 || !may_split) break;
        w *= 4;
        parts *= 0.25;
        cost += p[split];
      }
    };
    tile(16, 64);
    tile(64, 64);
    tile(64, 128);
    tile(128, 128);
    if (c.format->activation_bytes < 1) tile(128, 256);
    const double best = products;
    products = 1e30;
    const double rows = m <= 16 ? 16 : m <= 64 ? 64 : m <= 256 ? 128 : 256;
    tile(rows, rows < 128 ? 64 : 128, false);
    products = best + p[by_rows] * std::max(0.0, products - best);
    products += p[sustained] * std::max(0.0, products - power_limited);

    const double traffic = seconds_of(bytes_of(x, c, p[resident]), bandwidth, p[memory], p[l2]);
    double t = p[launch] + std::max(products, traffic) + p[overlap] * std::min(products, traffic);
    if (c.format->quantises) t += m * std::max(p[row], 3 * k / (bandwidth * p[quantise]));
    return t;
  }

  double bound(const double* x, const CurveContext& c) const override {
    return std::max(2 * x[0] * x[1] * x[2] / peak_of(*c.format, c.device),
                    bytes_of(x, c, 1).memory / c.device.bandwidth);
  }
};

struct BatchedGemm final : OperatorCurve {
  enum Index { compute, memory, launch, overlap, wave, resident, count };
  static constexpr std::array<std::string_view, 5> columns_of{"heads", "m", "n", "k", "copies"};
  static constexpr std::array<CurveParameter, count> parameters_of{{
      {"compute", "1", 0.6, 0.01, 1, "Share of the peak."},
      {"memory", "1", 0.7, 0.01, 1, "Share of the memory bandwidth."},
      {"launch", "s", 4e-6, 2e-7, 400e-6, "Time of an empty call."},
      {"overlap", "1", 0.2, 0.001, 1, "Share of the shorter of compute and memory left exposed."},
      {"wave", "s", 1e-6, 1e-8, 1e-4, "Time of a wave of tiles beside its work."},
      {"resident", "1", 0.5, 0.01, 1, "Share of the last-level cache that keeps weights."},
  }};

  std::string_view op() const override { return "batched_gemm"; }
  std::span<const std::string_view> columns() const override { return columns_of; }
  std::span<const CurveParameter> parameters() const override { return parameters_of; }
  std::size_t sizes() const override { return 4; }

  static Traffic bytes_of(const double* x, const CurveContext& c, double share) {
    const double weights = x[0] * c.format->weight_bytes * x[2] * x[3];
    const double activations = x[0] * x[1] * (c.format->activation_bytes * x[3] + 2 * x[2]);
    return traffic_of(weights, activations, x[4], share, c.device);
  }
  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    const double padded = 64 * round_up(x[1] * (1.0 / 64));
    const double tiles = x[0] * padded * (1.0 / 64) * round_up(x[2] * (1.0 / 128));
    const double products =
        2 * x[0] * padded * x[2] * x[3] / (peak_of(*c.format, c.device) * p[compute]) +
        p[wave] * std::max(1.0, tiles / processors_of(c.device));
    const double traffic = seconds_of(bytes_of(x, c, p[resident]), c.device.bandwidth, p[memory]);
    return p[launch] + std::max(products, traffic) + p[overlap] * std::min(products, traffic);
  }
  double bound(const double* x, const CurveContext& c) const override {
    return std::max(2 * x[0] * x[1] * x[2] * x[3] / peak_of(*c.format, c.device),
                    bytes_of(x, c, 1).memory / c.device.bandwidth);
  }
};

struct Quantise final : OperatorCurve {
  enum Index { memory, launch, row, resident, l2, count };
  static constexpr std::array<std::string_view, 2> columns_of{"m", "k"};
  static constexpr std::array<CurveParameter, count> parameters_of{{
      {"memory", "1", 0.5, 0.01, 1, "Share of the memory bandwidth."},
      {"launch", "s", 2e-6, 1e-8, 400e-6, "Time of an empty call."},
      {"row", "s", 1e-10, 1e-12, 1e-7, "Least time per row."},
      {"resident", "1", 0.5, 0.01, 1, "Share of the last-level cache that keeps activations."},
      {"l2", "1", 0.25, 0.02, 1, "Time of a byte from the last-level cache over one from memory.",
       Carry::cached},
  }};

  std::string_view op() const override { return "quantise"; }
  std::span<const std::string_view> columns() const override { return columns_of; }
  std::span<const CurveParameter> parameters() const override { return parameters_of; }
  /// Activations were written just before, also in serving.
  static Traffic bytes_of(const double* x, const CurveContext& c, double share) {
    return traffic_of(0, 3 * x[0] * x[1], 1, share, c.device);
  }
  double seconds(const double* x, const CurveContext& c, const double* p) const override {
    return p[launch] + std::max(x[0] * p[row], seconds_of(bytes_of(x, c, p[resident]),
                                                          c.device.bandwidth, p[memory], p[l2]));
  }
  double bound(const double* x, const CurveContext& c) const override {
    return bytes_of(x, c, 1).memory / c.device.bandwidth;
  }
};

}  // namespace

const OperatorCurve& gemm_curve() {
  static const Gemm curve;
  return curve;
}
const OperatorCurve& batched_gemm_curve() {
  static const BatchedGemm curve;
  return curve;
}
const OperatorCurve& quantise_curve() {
  static const Quantise curve;
  return curve;
}

}  // namespace tollgate
