#include "sim/serving/latency_error.h"

#include <gtest/gtest.h>

namespace tollgate {
namespace {

TEST(latency_error, parts_add_in_quadrature_and_ttft_is_the_less_certain) {
  MethodSpec method;
  method.serving_log_sd = 0.3;
  method.draft_log_sd = 1.2;
  method.pools_log_sd = 0.4;
  EXPECT_NEAR(latency_error(0.4, method, false, false).tpot, 0.5, 1e-15);
  EXPECT_NEAR(latency_error(0.4, method, true, false).tpot, 1.3, 1e-15);  // 0.5, 1.2
  EXPECT_NEAR(latency_error(0, method, false, true).tpot, 0.5, 1e-15);    // 0.3, 0.4
  EXPECT_NEAR(latency_error(0.4, {}, false, false).ttft, std::sqrt(0.16 + 0.085 * 0.085 + 0.09),
              1e-15);
  const LatencyError one = latency_error(0.1, {}, true, false),
                     two = latency_error(0.1, {}, true, true);
  EXPECT_GT(one.ttft, one.tpot);
  EXPECT_NEAR(two.ttft * two.ttft - two.tpot * two.tpot,
              2 * (one.ttft * one.ttft - one.tpot * one.tpot), 1e-15);
}

}  // namespace
}  // namespace tollgate
