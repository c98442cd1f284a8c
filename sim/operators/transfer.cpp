#include "sim/operators/transfer.h"

#include <algorithm>
#include <cmath>

#include "sim/operators/curve_set.h"
#include "sim/operators/tiles.h"

namespace tollgate {
namespace {

bool grows(const CurveParameter& parameter) {
  return parameter.carry == Carry::growth || parameter.carry == Carry::gain;
}

/// Seconds of one processor per element of k in a tile of 128 x 128 at its peak.
double tile_seconds(const NumberFormat& format, const Device& device) {
  return 2 * 128 * 128 * processors_of(device) / peak_of(format, device);
}

/// Watts of the board for each FLOP/s of its peak, of `ours` over `theirs`; 1 where one is unknown.
double power_ratio(const HardwareSpec& ours, const HardwareSpec& theirs) {
  const auto watts = [](const HardwareSpec& h) { return h.tdp / h.peak.bf16; };
  return ours.tdp > 0 && theirs.tdp > 0 ? watts(ours) / watts(theirs) : 1;
}

/// Seconds of one processor per position of the products of latent attention, 64 heads of 576 + 512
/// (mla_curves.h), at its peak.
double position_seconds(const NumberFormat& format, const Device& device) {
  return 2 * 64 * (576 + 512) * processors_of(device) / peak_of(format, device);
}

/// Seconds of a hop of NCCL's ring, protocol LL; 0 for kinds it has no figure of.
double hop_seconds(std::string_view link) {
  return link == "NVLink" ? 0.6e-6 : link == "PCIe" ? 1e-6 : 0;
}
constexpr double simple_hop_over_pcie = 5.7e-6;

/// FLOPs per cycle of one processor's matrix units.
double flops_per_cycle(const HardwareSpec& hardware) {
  const double clock = clock_of(hardware);
  return clock > 0 ? hardware.peak.bf16 / processors_of(device_of(hardware)) / clock : 0;
}

/// The largest share of the peak that is expected of cut matrix units, assumed.
constexpr double starved_share = 0.9;

/// What NCCL reckons of a PCIe link's line rate for payload.
constexpr double pcie_payload = 0.75;

/// A curve's parameter by its name.
class Constant {
 public:
  Constant(const OperatorCurve& curve, std::string_view name, std::vector<double>& values) {
    const auto all = curve.parameters();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const CurveParameter& p) { return p.name == name; });
    if (found == all.end()) return;
    parameter_ = &*found;
    value_ = &values[static_cast<std::size_t>(found - all.begin())];
  }
  explicit operator bool() const { return value_; }
  double operator*() const { return *value_; }
  void put(double value) const { *value_ = std::clamp(value, parameter_->low, parameter_->high); }

 private:
  const CurveParameter* parameter_ = nullptr;
  double* value_ = nullptr;
};

}  // namespace

bool passes_link(std::string_view op) {
  return op.starts_with("all_") || op.starts_with("reduce_scatter") || op.starts_with("dispatch") ||
         op.starts_with("combine");
}

std::string_view link_kind(const HardwareSpec& hardware) {
  const std::string_view name = hardware.scale_up.name;
  return name.substr(0, name.find(' '));
}

bool growth_is_open(const FittedCurve& fitted) {
  const auto parameters = fitted.curve().parameters();
  const bool can_grow = std::any_of(parameters.begin(), parameters.end(), grows);
  return can_grow && !fitted.lowest.empty() && fitted.lowest.front() == fitted.highest.front();
}

std::vector<double> carried(const FittedCurve& fitted, const NumberFormat* format,
                            const HardwareSpec& from, const HardwareSpec& to) {
  const Device theirs = device_of(from), ours = device_of(to);
  const double their_clock = clock_of(from), our_clock = clock_of(to);
  const double clock = their_clock > 0 && our_clock > 0 ? our_clock / their_clock : 1;
  const double processors = processors_of(ours) / processors_of(theirs);
  const double bandwidth = ours.bandwidth / theirs.bandwidth;
  const double their_hop = hop_seconds(link_kind(from)), our_hop = hop_seconds(link_kind(to));
  const double hops = their_hop > 0 && our_hop > 0 ? our_hop / their_hop : 1;
  const bool pairs =
      fitted.op == "all_to_all" && link_kind(from) == "PCIe" && link_kind(to) == "PCIe";
  const bool kin = same_architecture(from.name, to.name);
  // Without a clock of its own a device has its architecture's rate.
  const double cut = kin && to.clock_ghz > 0 ? flops_per_cycle(from) / flops_per_cycle(to) : 1;
  const auto over = [&](const CurveParameter& p, double value) {
    if (p.name == "compute" && cut > 1)
      return std::max(value, std::min(starved_share, value * cut));
    const bool instructions = p.name == "launch" || (passes_link(fitted.op) && p.unit == "s");
    switch (p.carry) {
      case Carry::link:
        if (!pairs) return value;
        return std::min(value * from.scale_up.bandwidth / to.scale_up.bandwidth,
                        std::max(value, pcie_payload));
      case Carry::as_is:
        return instructions ? value / clock : value;
      case Carry::power:
        return value * (kin ? std::min(1.0, power_ratio(to, from)) : power_ratio(to, from));
      case Carry::clock:
        return value / clock;
      case Carry::on_chip:
        return kin ? value * clock * processors / bandwidth : value;
      case Carry::dispatch:
        return kin ? value : p.low;
      case Carry::cached:
        return value * bandwidth;
      case Carry::tile: {
        if (kin || !format) return value;
        const double tile = tile_seconds(*format, ours);
        const double scaled = value * tile / tile_seconds(*format, theirs);
        return scaled < value ? scaled : std::max(value, std::min(scaled, tile));
      }
      case Carry::position: {
        const double products = format ? position_seconds(*format, theirs) : 0;
        // Less than that: several processors share an item.
        if (!format || value < products) return value / clock;
        return position_seconds(*format, ours) + (value - products) / clock;
      }
      case Carry::growth:
        return p.unit == "s" ? value * hops : value;
      case Carry::gain:
        return link_kind(from) == link_kind(to) ? value : std::min(value, 1.0);
    }
    return value;
  };
  const auto parameters = fitted.curve().parameters();
  std::vector<double> out = fitted.parameters;
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = std::clamp(over(parameters[i], out[i]), parameters[i].low, parameters[i].high);
  }
  return out;
}

void take_growth(const OperatorCurve& curve, const std::vector<double>& other,
                 std::vector<double>& into) {
  const auto parameters = curve.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (grows(parameters[i])) into[i] = other[i];
  }
}

void cross_host(const FittedCurve& fitted, const HardwareSpec& to, std::vector<double>& p) {
  if (link_kind(to) != "PCIe") return;
  const OperatorCurve& curve = fitted.curve();
  const Constant early{curve, "early", p}, gain_early{curve, "gain_early", p};
  const Constant middle{curve, "middle", p}, late{curve, "late", p},
      gain_late{curve, "gain_late", p};
  const Constant change{curve, "switch", p}, gain_change{curve, "gain_switch", p};
  if (!gain_late) return;
  // Gains are for each doubling of ranks; from 2 to 8 there are two.
  const double link = to.scale_up.bandwidth;
  gain_early.put(std::min(*gain_early, std::sqrt(host_crossing / 2 / (*early * link))));
  const double quickest = std::max(*middle, *late);  // They share the gain.
  gain_late.put(std::min(*gain_late, std::sqrt(host_crossing / (quickest * link))));
  const double rounds = fitted.op == "all_reduce" ? 2 : 1;
  const double hops = 6 * rounds * (simple_hop_over_pcie - hop_seconds("PCIe"));
  gain_change.put(std::sqrt(1 + hops / *change));
}

}  // namespace tollgate
