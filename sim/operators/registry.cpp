#include "sim/operators/attention_tables.h"
#include "sim/operators/collective_curves.h"
#include "sim/operators/curve.h"
#include "sim/operators/gemm_tables.h"
#include "sim/operators/table.h"

namespace tollgate {
namespace {

std::vector<const OperatorCurve*> joined(
    std::initializer_list<std::span<const OperatorCurve* const>> groups) {
  std::vector<const OperatorCurve*> all;
  for (const auto group : groups) all.insert(all.end(), group.begin(), group.end());
  return all;
}

std::vector<TableFormat> joined(std::initializer_list<std::vector<TableFormat>> groups) {
  std::vector<TableFormat> all;
  for (const auto& group : groups) all.insert(all.end(), group.begin(), group.end());
  return all;
}

}  // namespace

std::span<const OperatorCurve* const> operator_curves() {
  static const auto curves = joined(
      {product_curves(), attention_curves(), collective_curves(), expert_exchange_curves(),
       elementwise_curves()});
  return curves;
}

const OperatorCurve* find_curve(std::string_view op) {
  for (const OperatorCurve* curve : operator_curves()) {
    if (curve->op() == op) return curve;
  }
  return nullptr;
}

std::span<const TableFormat> operator_tables() {
  static const auto tables = joined(
      {{own_table()}, gemm_tables(), moe_tables(), attention_tables(), collective_tables()});
  return tables;
}

}  // namespace tollgate
