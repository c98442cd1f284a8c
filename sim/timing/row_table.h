#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "sim/timing/engine_curves.h"

namespace tollgate {

/// Operator classes of the breakdown; errors of a class move together.
enum class OperatorClass {
  gemm,
  experts,
  attention,
  linear_attention,
  elementwise,
  collective,
  host
};
inline constexpr std::size_t operator_classes = 7;
std::string_view to_string(OperatorClass operator_class);

/// An operator whose shape depends on the number of rows alone.
struct RowOperator {
  OperatorClass operator_class = OperatorClass::gemm;
  const StepCurve* curve = nullptr;
  double times = 1;
  std::array<double, 6> shape{};  ///< columns of the curve, all but `column`
  std::size_t column = 0;         ///< the one that grows
  double per_row = 1;             ///< by this with each row
  double hidden = 0;              ///< seconds of a call's launch that run beside something longer
  double launches = 1;            ///< kernels of a call
  double fused_rows = 0;          ///< up to so many rows it is part of another operator
  /// Roofline seconds, which tell the limit an operator is at.
  double compute_per_row = 0, memory_fixed = 0, memory_per_row = 0;
};

/// Seconds of some operators together as a function of the number of rows, tabulated at every
/// number to 16 and at eight per octave beyond, up to 2^18; linear between and beyond.
///
/// Products of a step follow each other without a pause, so the clock gives way to the power limit
/// (StepCurve::sustained) after a millisecond of all of them together, not of each.
class RowTable {
 public:
  /// Of one operator class at a number of rows.
  struct Entry {
    double launch = 0, compute = 0, memory = 0, link = 0;  ///< seconds
    double spread = 0;                                     ///< sum of seconds x log-sd
    Provenance provenance = Provenance::exact;
    double seconds() const { return launch + compute + memory + link; }
  };

  RowTable() = default;
  explicit RowTable(const std::vector<RowOperator>& operators);

  double seconds(double rows) const;
  Entry of(OperatorClass operator_class, double rows) const;

 private:
  struct Place {
    std::size_t index;
    double share;
  };
  static Place place_of(double rows);

  std::vector<double> total_;                                    ///< by point
  std::array<std::vector<Entry>, operator_classes> by_class_{};  ///< by point; empty: none
};

}  // namespace tollgate
