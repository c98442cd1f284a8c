#include "sim/timing/row_table.h"

#include <algorithm>
#include <cmath>

namespace tollgate {
namespace {

constexpr int first_octave = 4;  // every number of rows up to 16
constexpr int last_octave = 18;
constexpr int per_octave = 8;
constexpr std::size_t points = (1 << first_octave) + (last_octave - first_octave) * per_octave;

double rows_at(std::size_t i) {
  if (i < (1U << first_octave)) return static_cast<double>(i + 1);
  const std::size_t j = i - (1U << first_octave) + 1;
  const double octave = std::ldexp(1.0, first_octave + static_cast<int>(j / per_octave));
  return octave * (1 + static_cast<double>(j % per_octave) / per_octave);
}

const std::array<double, points>& grid() {
  static const auto rows = [] {
    std::array<double, points> out{};
    for (std::size_t i = 0; i < points; ++i) out[i] = rows_at(i);
    return out;
  }();
  return rows;
}

RowTable::Entry entry_of(const RowOperator& op, double rows) {
  if (rows <= op.fused_rows) return {};
  auto shape = op.shape;
  shape[op.column] = op.per_row * rows;
  const std::size_t columns = op.curve->choice.curve->columns().size();
  const Estimate e = op.curve->choice.seconds(std::span(shape.data(), columns));
  RowTable::Entry out;
  const double launch = std::min(e.value, op.curve->launch);
  const double hidden = std::min(launch, op.hidden);
  const double seconds = op.times * (e.value - hidden);
  out.spread = seconds * log_sd_of(e.low, e.high);
  out.provenance = e.provenance;
  if (op.operator_class == OperatorClass::collective) {
    out.link = seconds;
    return out;
  }
  out.launch = op.times * (launch - hidden);
  const bool compute = op.compute_per_row * rows > op.memory_fixed + op.memory_per_row * rows;
  (compute ? out.compute : out.memory) = seconds - out.launch;
  return out;
}

/// Seconds of arithmetic until the clock gives way, as in gemm_curve.cpp.
constexpr double power_limited = 1e-3;

/// Slows products by what they have in common; a curve does so for what is long by itself.
void sustain(const std::vector<RowOperator>& operators, std::vector<RowTable::Entry>& entries) {
  const auto cool = [&](std::size_t k) {  // of one call, at the full clock
    const RowOperator& op = operators[k];
    const double call = entries[k].compute / op.times, s = op.curve->sustained;
    return call <= power_limited ? call : (call + s * power_limited) / (1 + s);
  };
  double arithmetic = 0;
  for (std::size_t k = 0; k < operators.size(); ++k) {
    if (entries[k].compute > 0) arithmetic += operators[k].times * cool(k);
  }
  if (arithmetic <= power_limited) return;
  const double share = 1 - power_limited / arithmetic;
  for (std::size_t k = 0; k < operators.size(); ++k) {
    RowTable::Entry& e = entries[k];
    if (e.compute <= 0) continue;
    const double slowed =
        operators[k].times * cool(k) * (1 + operators[k].curve->sustained * share);
    const double longer = std::max(e.compute, slowed);
    e.spread *= (e.seconds() - e.compute + longer) / e.seconds();
    e.compute = longer;
  }
}

}  // namespace

std::string_view to_string(OperatorClass operator_class) {
  switch (operator_class) {
    case OperatorClass::gemm:
      return "matrix products";
    case OperatorClass::experts:
      return "experts";
    case OperatorClass::attention:
      return "attention";
    case OperatorClass::linear_attention:
      return "linear attention";
    case OperatorClass::elementwise:
      return "elementwise";
    case OperatorClass::collective:
      return "collectives";
    case OperatorClass::host:
      return "host";
  }
  return "";
}

RowTable::RowTable(const std::vector<RowOperator>& operators) : total_(points) {
  // Where operators of a class differ in provenance, those below a tenth of its time do not count.
  for (std::size_t i = 0; i < points; ++i) {
    std::array<double, operator_classes> seconds{};
    std::vector<Entry> entries;
    for (const RowOperator& op : operators) {
      entries.push_back(entry_of(op, grid()[i]));
    }
    sustain(operators, entries);
    for (std::size_t k = 0; k < operators.size(); ++k) {
      seconds[static_cast<std::size_t>(operators[k].operator_class)] += entries[k].seconds();
    }
    for (std::size_t k = 0; k < operators.size(); ++k) {
      const auto c = static_cast<std::size_t>(operators[k].operator_class);
      if (by_class_[c].empty()) by_class_[c].resize(points);
      Entry& sum = by_class_[c][i];
      const Entry& e = entries[k];
      sum.launch += e.launch;
      sum.compute += e.compute;
      sum.memory += e.memory;
      sum.link += e.link;
      sum.spread += e.spread;
      if (e.seconds() >= 0.1 * seconds[c]) sum.provenance = worst(sum.provenance, e.provenance);
      total_[i] += e.seconds();
    }
  }
}

RowTable::Place RowTable::place_of(double rows) {
  const double r = std::max(rows, 1.0);
  std::size_t i;
  if (r < (1 << first_octave)) {
    i = static_cast<std::size_t>(r) - 1;
  } else {
    const int octave = std::ilogb(r);
    const double steps = (std::ldexp(r, -octave) - 1) * per_octave;
    i = (1U << first_octave) - 1 + static_cast<std::size_t>(octave - first_octave) * per_octave +
        static_cast<std::size_t>(steps);
  }
  i = std::min(i, points - 2);
  return {i, (r - grid()[i]) / (grid()[i + 1] - grid()[i])};
}

double RowTable::seconds(double rows) const {
  if (total_.empty()) return 0;
  const Place p = place_of(rows);
  return total_[p.index] + p.share * (total_[p.index + 1] - total_[p.index]);
}

RowTable::Entry RowTable::of(OperatorClass operator_class, double rows) const {
  const std::vector<Entry>& entries = by_class_[static_cast<std::size_t>(operator_class)];
  if (entries.empty()) return {};
  const Place p = place_of(rows);
  const Entry &a = entries[p.index], &b = entries[p.index + 1];
  const auto between = [&](double u, double v) { return u + p.share * (v - u); };
  return {between(a.launch, b.launch), between(a.compute, b.compute),
          between(a.memory, b.memory), between(a.link, b.link),
          between(a.spread, b.spread), worst(a.provenance, b.provenance)};
}

}  // namespace tollgate
