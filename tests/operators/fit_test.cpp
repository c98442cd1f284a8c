#include "sim/operators/fit.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace tollgate {
namespace {

/// launch + work / (share x bandwidth).
class LineCurve final : public OperatorCurve {
 public:
  std::string_view op() const override { return "line"; }
  std::span<const std::string_view> columns() const override { return columns_; }
  std::span<const CurveParameter> parameters() const override { return parameters_; }
  double seconds(const double* shape, const CurveContext& c, const double* p) const override {
    return p[0] + shape[0] / (p[1] * c.device.bandwidth);
  }
  double bound(const double* shape, const CurveContext& c) const override {
    return shape[0] / c.device.bandwidth;
  }

 private:
  static constexpr std::array<std::string_view, 1> columns_{"bytes"};
  static constexpr std::array<CurveParameter, 2> parameters_{{
      {"launch", "s", 5e-6, 1e-7, 1e-3, "Time of an empty call."},
      {"memory", "1", 0.5, 0.01, 1, "Share of the bandwidth."},
  }};
};

std::vector<OperatorSample> samples_of(double launch, double share, double bandwidth) {
  std::vector<OperatorSample> samples;
  for (double bytes = 1e3; bytes < 1e10; bytes *= 2) {
    OperatorSample s;
    s.shape = {bytes};
    s.seconds = launch + bytes / (share * bandwidth);
    samples.push_back(s);
  }
  return samples;
}

std::vector<const OperatorSample*> pointers(const std::vector<OperatorSample>& samples) {
  std::vector<const OperatorSample*> out;
  for (const OperatorSample& s : samples) out.push_back(&s);
  return out;
}

TEST(Fit, FindsTheConstantsThatMadeTheData) {
  CurveContext context;
  context.device.bandwidth = 3e12;
  const auto samples = samples_of(12e-6, 0.83, 3e12);
  const CurveFit fit = fit_curve(LineCurve(), context, pointers(samples));
  EXPECT_NEAR(fit.parameters[0], 12e-6, 12e-9);
  EXPECT_NEAR(fit.parameters[1], 0.83, 1e-3);
  EXPECT_LT(fit.training.p90_ape, 1e-3);
}

TEST(Fit, OneDescentFromNearbyFindsThemToo) {
  CurveContext context;
  context.device.bandwidth = 3e12;
  const auto samples = samples_of(12e-6, 0.83, 3e12);
  const std::array near{2e-5, 0.6};
  const CurveFit fit = refit_curve(LineCurve(), context, pointers(samples), near);
  EXPECT_NEAR(fit.parameters[0], 12e-6, 12e-9);
  EXPECT_NEAR(fit.parameters[1], 0.83, 1e-3);
}

TEST(Fit, OneWildRowInTenDoesNotMoveIt) {
  CurveContext context;
  context.device.bandwidth = 3e12;
  auto samples = samples_of(12e-6, 0.83, 3e12);
  for (std::size_t i = 3; i < samples.size(); i += 10) samples[i].seconds *= 20;
  const CurveFit fit = fit_curve(LineCurve(), context, pointers(samples));
  EXPECT_NEAR(fit.parameters[0], 12e-6, 0.6e-6);
  EXPECT_NEAR(fit.parameters[1], 0.83, 0.04);
}

TEST(Fit, RefusesFewerRowsThanItCanTellApart) {
  CurveContext context;
  context.device.bandwidth = 3e12;
  auto samples = samples_of(12e-6, 0.83, 3e12);
  samples.resize(3);
  EXPECT_THROW(fit_curve(LineCurve(), context, pointers(samples)), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate
