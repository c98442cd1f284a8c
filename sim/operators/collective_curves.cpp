#include "sim/operators/collective_curves.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tollgate {
namespace {

constexpr std::array<std::string_view, 2> columns_of_collectives{"ranks", "bytes"};
constexpr std::array<CurveParameter, 11> parameters_of_collectives{{
    {"launch", "s", 6e-6, 1e-7, 2e-4, "Time of an empty call on 2 ranks."},
    {"per_rank", "s", 1e-6, 1e-9, 5e-5, "Growth of the floor with each further rank.",
     Carry::growth},
    {"early", "1", 0.2, 1e-3, 2, "Share of the link for small messages on 2 ranks.", Carry::link},
    {"gain_early", "1", 0.9, 0.2, 2, "Factor on that for each doubling of ranks.", Carry::gain},
    {"switch", "s", 1e-5, 1e-8, 5e-4, "What the protocol of large messages adds to the floor."},
    {"late", "1", 0.7, 1e-3, 2, "Share of the link for large messages on 2 ranks.", Carry::link},
    {"gain_late", "1", 1, 0.2, 2, "Factor on that for each doubling of ranks, up to 8.",
     Carry::gain},
    {"gain_switch", "1", 1.2, 0.25, 4, "Factor on `step` and `switch` for each doubling of ranks.",
     Carry::growth},
    {"ring", "s", 1e-7, 1e-9, 1e-4, "What more than two ranks add to the floor.", Carry::growth},
    {"step", "s", 4e-6, 1e-8, 5e-4, "What the protocol of middle messages adds to the floor."},
    {"middle", "1", 0.4, 1e-3, 2, "Share of the link for middle messages on 2 ranks.", Carry::link},
}};
constexpr double network_share = 0.9;

class CollectiveCurve final : public OperatorCurve {
 public:
  enum class Kind { all_reduce, half, all_to_all };
  CollectiveCurve(std::string_view op, Kind kind) : op_(op), kind_(kind) {}

  std::string_view op() const override { return op_; }
  std::span<const std::string_view> columns() const override { return columns_of_collectives; }
  std::span<const CurveParameter> parameters() const override { return parameters_of_collectives; }

  double seconds(const double* shape, const CurveContext& context, const double* p) const override {
    const Parts parts = split(shape, context.device);
    const double doublings = std::log2(std::max(2.0, parts.inside) / 2);
    const double link = context.device.scale_up;
    const double volume = leaving(parts.inside, shape[1]);
    const double early = volume / (link * p[2] * std::pow(p[3], doublings));
    const double more = std::pow(p[7], doublings), gain = std::pow(p[6], std::min(doublings, 2.0));
    const double middle = p[9] * more + volume / (link * p[10] * gain);
    const double late = p[4] * more + volume / (link * p[5] * gain);
    const double floor =
        p[0] + p[1] * std::max(0.0, parts.inside - 2) + (parts.inside > 2 ? p[8] : 0);
    const double inside = floor + std::min({early, middle, late});
    return std::max(inside + network(parts, shape, context.device), bound(shape, context));
  }

  double bound(const double* shape, const CurveContext& context) const override {
    const Parts parts = split(shape, context.device);
    // A switch that adds up lets a rank send an all_reduce's bytes once instead of twice.
    const double volume = leaving(parts.inside, shape[1]) / (kind_ == Kind::all_reduce ? 2 : 1);
    double t = volume / context.device.scale_up;
    if (parts.domains > 1) {
      t = std::max(t, crossing(parts, shape) / context.device.scale_out);
    }
    return t;
  }

 private:
  struct Parts {
    double ranks, inside, domains;
  };
  static Parts split(const double* shape, const Device& d) {
    const double ranks = std::max(1.0, shape[0]);
    const double inside = std::min(ranks, static_cast<double>(std::max(1, d.per_domain)));
    return {ranks, inside, std::ceil(ranks / inside)};
  }
  double leaving(double ranks, double bytes) const {
    const double once = (ranks - 1) / ranks * bytes;
    return kind_ == Kind::all_reduce ? 2 * once : once;
  }
  double crossing(const Parts& parts, const double* shape) const {
    const double bytes = shape[1];
    if (kind_ == Kind::all_to_all) return (parts.ranks - parts.inside) / parts.ranks * bytes;
    return leaving(parts.domains, bytes) / parts.inside;
  }
  double network(const Parts& parts, const double* shape, const Device& d) const {
    if (parts.domains <= 1) return 0;
    return crossing(parts, shape) / (network_share * d.scale_out) +
           std::log2(parts.domains) * d.scale_out_latency;
  }

  std::string_view op_;
  Kind kind_;
};

constexpr std::array<std::string_view, 5> columns_of_exchange{"ranks", "tokens", "hidden", "topk",
                                                              "processors"};
constexpr std::array<CurveParameter, 6> parameters_of_exchange{{
    {"launch", "s", 1.5e-5, 1e-7, 3e-4, "Time of an empty call."},
    {"per_rank", "s", 1e-6, 1e-9, 5e-5, "Growth of the floor with each doubling of ranks."},
    {"token", "s", 1e-8, 1e-11, 1e-6, "Work on each token, with 20 processors."},
    {"copy", "s", 2e-9, 1e-11, 1e-6, "Work on each copy of a token, with 20 processors."},
    {"share", "1", 0.7, 0.01, 1, "Reachable share of the link."},
    {"saturation", "1", 1, 0.05, 4, "Processors that fill the link, over 20."},
}};

double row_bytes(const CurveContext& context, double hidden, bool combine) {
  if (combine || !context.format) return 2 * hidden;
  const double scale = context.format->name == "fp8" ? 4.0 / 128 : 0;
  return hidden * (context.format->activation_bytes + scale);
}

/// Seconds over the network for `copies` rows per token that leave the domain.
double over_network(double rows, double row, const Device& d) {
  return rows * row / (network_share * d.scale_out) + d.scale_out_latency;
}

class ExchangeCurve final : public OperatorCurve {
 public:
  ExchangeCurve(std::string_view op, bool combine) : op_(op), combine_(combine) {}
  std::string_view op() const override { return op_; }
  std::span<const std::string_view> columns() const override { return columns_of_exchange; }
  std::span<const CurveParameter> parameters() const override { return parameters_of_exchange; }

  double seconds(const double* shape, const CurveContext& context, const double* p) const override {
    const double ranks = std::max(1.0, shape[0]);
    const double share = shape[4] > 0 ? shape[4] / 20 : 1;
    const double link = p[4] * std::min(1.0, share / p[5]);
    const double t = p[0] + p[1] * std::log2(ranks) +
                     shape[1] * (p[2] + copies(shape) * p[3]) / share +
                     volume(shape, context) / (context.device.scale_up * link);
    return std::max(t + network(shape, context), bound(shape, context));
  }
  double bound(const double* shape, const CurveContext& context) const override {
    return volume(shape, context) / context.device.scale_up;
  }

 private:
  static double copies_of(double n, double topk) { return n * (1 - std::pow(1 - 1 / n, topk)); }
  static double copies(const double* shape) { return copies_of(std::max(1.0, shape[0]), shape[3]); }
  /// Copies that leave the rank for others of its domain.
  double volume(const double* shape, const CurveContext& context) const {
    const double ranks = std::max(1.0, shape[0]);
    const double inside = std::min(ranks, static_cast<double>(context.device.per_domain));
    return shape[1] * copies(shape) * (inside - 1) / ranks * row_bytes(context, shape[2], combine_);
  }
  double network(const double* shape, const CurveContext& context) const {
    const double domains = std::ceil(shape[0] / context.device.per_domain);
    if (domains <= 1) return 0;
    const double rows = shape[1] * copies_of(domains, shape[3]) * (domains - 1) / domains;
    return over_network(rows, row_bytes(context, shape[2], combine_), context.device);
  }

  std::string_view op_;
  bool combine_;
};

constexpr std::array<std::string_view, 5> columns_of_low_latency{"ranks", "tokens", "hidden",
                                                                 "topk", "experts"};
constexpr std::array<CurveParameter, 4> parameters_of_low_latency{{
    {"launch", "s", 1e-5, 1e-7, 3e-4, "Time of an empty call with no experts."},
    {"per_expert", "s", 1e-8, 1e-11, 1e-6, "Growth of the floor with each expert."},
    {"share", "1", 0.6, 0.01, 1, "Reachable share of the link."},
    {"pair", "bytes/s", 4e9, 1e8, 1e12, "Rate of one group of warps, of an expert and a rank."},
}};

class LowLatencyCurve final : public OperatorCurve {
 public:
  LowLatencyCurve(std::string_view op, bool combine) : op_(op), combine_(combine) {}
  std::string_view op() const override { return op_; }
  std::span<const std::string_view> columns() const override { return columns_of_low_latency; }
  std::span<const CurveParameter> parameters() const override { return parameters_of_low_latency; }

  double seconds(const double* shape, const CurveContext& context, const double* p) const override {
    const double row = row_bytes(context, shape[2], combine_);
    const double experts = std::max(1.0, shape[4]);
    const double t = p[0] + p[1] * experts +
                     volume(shape, context) / (context.device.scale_up * p[2]) +
                     shape[1] * shape[3] / experts * row / p[3];
    return std::max(t + network(shape, context), bound(shape, context));
  }
  double bound(const double* shape, const CurveContext& context) const override {
    return volume(shape, context) / context.device.scale_up;
  }

 private:
  double volume(const double* shape, const CurveContext& context) const {
    const double ranks = std::max(1.0, shape[0]);
    const double inside = std::min(ranks, static_cast<double>(context.device.per_domain));
    return shape[1] * shape[3] * (inside - 1) / ranks * row_bytes(context, shape[2], combine_);
  }
  double network(const double* shape, const CurveContext& context) const {
    const double inside = context.device.per_domain;
    if (shape[0] <= inside) return 0;
    const double rows = shape[1] * shape[3] * (shape[0] - inside) / shape[0];
    return over_network(rows, row_bytes(context, shape[2], combine_), context.device);
  }

  std::string_view op_;
  bool combine_;
};

constexpr std::array<std::string_view, 1> columns_of_elementwise{"bytes"};
constexpr std::array<CurveParameter, 3> parameters_of_elementwise{{
    {"launch", "s", 2e-6, 1e-7, 1e-4, "Time of an empty call."},
    {"memory", "1", 0.8, 0.01, 1, "Reachable share of the memory bandwidth."},
    {"cached", "1", 1.5, 0.05, 8, "The same while the bytes fit half the cache."},
}};

class ElementwiseCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "elementwise"; }
  std::span<const std::string_view> columns() const override { return columns_of_elementwise; }
  std::span<const CurveParameter> parameters() const override { return parameters_of_elementwise; }
  double seconds(const double* shape, const CurveContext& context, const double* p) const override {
    const double cold = shape[0] / (context.device.bandwidth * p[1]);
    // Beyond the cache the first half of it is no longer warm: the two lines are joined, not mixed.
    const double held = std::min(shape[0], context.device.l2 / 2);
    const double warm = held / (context.device.bandwidth * std::max(p[1], p[2])) +
                        (shape[0] - held) / (context.device.bandwidth * p[1]);
    return std::max(p[0] + std::min(cold, warm), bound(shape, context));
  }
  double bound(const double* shape, const CurveContext& context) const override {
    // What exceeds the cache comes from memory.
    return std::max(0.0, shape[0] - context.device.l2) / context.device.bandwidth;
  }
};

}  // namespace

std::span<const OperatorCurve* const> collective_curves() {
  using Kind = CollectiveCurve::Kind;
  static const CollectiveCurve all_reduce("all_reduce", Kind::all_reduce);
  static const CollectiveCurve all_gather("all_gather", Kind::half);
  static const CollectiveCurve reduce_scatter("reduce_scatter", Kind::half);
  static const CollectiveCurve all_to_all("all_to_all", Kind::all_to_all);
  static const std::array<const OperatorCurve*, 4> curves{&all_reduce, &all_gather, &reduce_scatter,
                                                          &all_to_all};
  return curves;
}

std::span<const OperatorCurve* const> expert_exchange_curves() {
  static const ExchangeCurve dispatch("dispatch", false), combine("combine", true);
  static const LowLatencyCurve fast_dispatch("dispatch_low_latency", false),
      fast_combine("combine_low_latency", true);
  static const std::array<const OperatorCurve*, 4> curves{&dispatch, &combine, &fast_dispatch,
                                                          &fast_combine};
  return curves;
}

std::span<const OperatorCurve* const> elementwise_curves() {
  static const ElementwiseCurve elementwise;
  static const std::array<const OperatorCurve*, 1> curves{&elementwise};
  return curves;
}

}  // namespace tollgate
