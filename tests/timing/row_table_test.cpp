#include "sim/timing/row_table.h"

#include <gtest/gtest.h>

#include "sim/spec/library.h"

namespace tollgate {
namespace {

const EngineCurves& curves() {
  static Library library(TOLLGATE_REPOSITORY "/models");
  static const EngineCurves found(std::make_shared<CurveFiles>(library),
                                  library.hardware("H200-SXM", {}), library.engine("vllm", {}));
  return found;
}

RowOperator elementwise(double times, double bytes) {
  RowOperator op;
  op.operator_class = OperatorClass::elementwise;
  op.curve = &curves().of("elementwise", bytes_precision);
  op.times = times;
  op.per_row = bytes;
  op.memory_per_row = 1;
  return op;
}
RowOperator product(double times, double n, double k) {
  RowOperator op;
  op.curve = &curves().of("gemm", "bf16");
  op.times = times;
  op.shape = {0, n, k, 0};
  op.compute_per_row = 2 * n * k / 989e12;
  op.memory_fixed = 2 * n * k / 4.8e12;
  return op;
}

TEST(row_table, is_the_sum_of_the_curves_at_its_points) {
  const std::vector<RowOperator> ops{product(3, 4096, 2048), product(2, 512, 7168),
                                     elementwise(5, 4e4)};
  const RowTable table(ops);
  for (const double rows : {1.0, 2.0, 7.0, 16.0, 18.0, 60.0, 64.0, 112.0}) {
    double expected = 0;
    for (const RowOperator& op : ops) {
      auto shape = op.shape;
      shape[op.column] = op.per_row * rows;
      expected += op.times * op.curve->seconds(shape.data());
    }
    EXPECT_NEAR(table.seconds(rows), expected, 1e-12) << rows;
    double classes = 0;
    for (const auto c : {OperatorClass::gemm, OperatorClass::elementwise}) {
      classes += table.of(c, rows).seconds();
    }
    EXPECT_NEAR(classes, expected, 1e-12) << rows;
  }
}

// Cold elementwise kernels are exactly linear, so interpolation and extension must be exact too.
TEST(row_table, a_linear_operator_is_exact_at_any_number_of_rows) {
  const RowOperator op = elementwise(5, 4e4);
  const RowTable table({op});
  for (const double rows : {1.3, 15.5, 17.0, 999.9, 70000.0, 262144.0, 400000.0}) {
    const double bytes = 4e4 * rows;
    const double expected = 5 * op.curve->seconds(&bytes);
    EXPECT_NEAR(table.seconds(rows), expected, 1e-9 * expected) << rows;
  }
}

TEST(row_table, hidden_launches_are_not_paid) {
  RowOperator op = product(4, 4096, 2048);
  const double paid = RowTable({op}).seconds(8);
  op.hidden = 1e-6;
  EXPECT_NEAR(RowTable({op}).seconds(8), paid - 4e-6, 1e-12);
  op.hidden = 1;  // at most the launch
  EXPECT_NEAR(RowTable({op}).seconds(8), paid - 4 * op.curve->launch, 1e-12);
}

// Below a millisecond a call runs at the full clock; eighty of them together do not: the table
// takes the slowdown of one call 80 times as long, whose share beyond the first millisecond is
// slower by `sustained`.
TEST(row_table, what_is_part_of_another_operator_takes_no_time_of_its_own) {
  RowOperator op = elementwise(5, 4e4);
  const RowTable apart({op});
  op.fused_rows = 16;
  const RowTable fused({op});
  EXPECT_EQ(fused.seconds(1), 0);
  EXPECT_EQ(fused.seconds(16), 0);
  EXPECT_DOUBLE_EQ(fused.seconds(18), apart.seconds(18));
  EXPECT_DOUBLE_EQ(fused.seconds(4096), apart.seconds(4096));
}

TEST(row_table, products_share_the_power_limit) {
  const RowOperator one = product(1, 8192, 8192);
  const double rows = 4096;
  ASSERT_GT(one.curve->sustained, 0);
  auto shape = one.shape;
  shape[0] = rows;
  const double s = one.curve->sustained, launch = one.curve->launch;
  const double call = one.curve->seconds(shape.data()) - launch;
  const double cool = call <= 1e-3 ? call : (call + s * 1e-3) / (1 + s);
  RowOperator many = one;
  many.times = 80;
  const double expected = 80 * (launch + cool) + s * (80 * cool - 1e-3);
  EXPECT_NEAR(RowTable({many}).seconds(rows), expected, 1e-9 * expected);
  EXPECT_GT(RowTable({many}).seconds(rows), 80 * RowTable({one}).seconds(rows));
}

TEST(row_table, an_empty_table_takes_no_time) {
  EXPECT_EQ(RowTable().seconds(100), 0);
  EXPECT_EQ(RowTable().of(OperatorClass::gemm, 100).seconds(), 0);
}

}  // namespace
}  // namespace tollgate
