#include <array>

#include "sim/operators/curve.h"
#include "sim/operators/table.h"

namespace tollgate {

// One accessor per family, each in its own file.
std::span<const OperatorCurve* const> operator_curves() {
  static const std::array<const OperatorCurve*, 0> curves{};
  return curves;
}

const OperatorCurve* find_curve(std::string_view op) {
  for (const OperatorCurve* curve : operator_curves()) {
    if (curve->op() == op) return curve;
  }
  return nullptr;
}

std::span<const TableFormat> operator_tables() {
  static const std::array<TableFormat, 0> tables{};
  return tables;
}

}  // namespace tollgate
