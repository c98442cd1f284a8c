#include "sim/operators/transfer.h"

#include <algorithm>

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
  const bool kin = same_architecture(from.name, to.name);
  const auto over = [&](const CurveParameter& p, double value) {
    const bool instructions = p.name == "launch" || (passes_link(fitted.op) && p.unit == "s");
    switch (p.carry) {
      case Carry::as_is:
        return instructions ? value / clock : value;
      case Carry::clock:
        return value / clock;
      case Carry::on_chip:
        return kin ? value * clock * processors / bandwidth : value;
      case Carry::cached:
        return value * bandwidth;
      case Carry::tile: {
        if (kin || !format) return value;
        const double tile = tile_seconds(*format, ours);
        const double scaled = value * tile / tile_seconds(*format, theirs);
        return scaled < value ? scaled : std::max(value, std::min(scaled, tile));
      }
      case Carry::growth:
        return value;
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

}  // namespace tollgate
