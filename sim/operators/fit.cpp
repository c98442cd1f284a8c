#include "sim/operators/fit.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace tollgate {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Residuals beyond this count less and less: a Cauchy loss c^2/2 ln(1 + (r/c)^2), c in ln units.
constexpr double cauchy_scale = 0.15;

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

class Problem {
 public:
  Problem(const OperatorCurve& curve, const CurveContext& context,
          std::span<const OperatorSample* const> samples)
      : curve_(curve), context_(context), samples_(samples) {}

  int parameters() const { return static_cast<int>(curve_.parameters().size()); }

  /// Parameters live between their limits: p = low + (high - low) / (1 + exp(-u)), in ln p where
  /// the limits span more than a decade.
  VectorXd values(const VectorXd& u) const {
    VectorXd p(u.size());
    for (Eigen::Index i = 0; i < u.size(); ++i) {
      const CurveParameter& c = curve_.parameters()[static_cast<std::size_t>(i)];
      const double s = 1 / (1 + std::exp(-u[i]));
      p[i] = logarithmic(c) ? c.low * std::pow(c.high / c.low, s) : c.low + (c.high - c.low) * s;
    }
    return p;
  }
  VectorXd start(double shift) const {
    VectorXd u(parameters());
    for (Eigen::Index i = 0; i < u.size(); ++i) {
      const CurveParameter& c = curve_.parameters()[static_cast<std::size_t>(i)];
      double s = logarithmic(c) ? std::log(c.start / c.low) / std::log(c.high / c.low)
                                : (c.start - c.low) / (c.high - c.low);
      s = std::clamp(s, 0.02, 0.98);
      // Alternate signs, so that starts differ in direction and not only in size.
      u[i] = std::log(s / (1 - s)) + (i % 2 == 0 ? shift : -shift);
    }
    return u;
  }

  VectorXd residuals(const VectorXd& u) const {
    const VectorXd p = values(u);
    VectorXd r(static_cast<Eigen::Index>(samples_.size()));
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      const double t = curve_.seconds(samples_[i]->shape.data(), context_, p.data());
      r[static_cast<Eigen::Index>(i)] = std::log(t / samples_[i]->seconds);
    }
    return r;
  }

  static double loss(const VectorXd& r) {
    double sum = 0;
    for (const double x : r) sum += std::log1p(x * x / (cauchy_scale * cauchy_scale));
    return sum;
  }

 private:
  static bool logarithmic(const CurveParameter& c) { return c.low > 0 && c.high > 10 * c.low; }

  const OperatorCurve& curve_;
  const CurveContext& context_;
  std::span<const OperatorSample* const> samples_;
};

struct Descent {
  VectorXd u;
  double loss;
  int iterations;
};

Descent descend(const Problem& problem, VectorXd u) {
  VectorXd r = problem.residuals(u);
  double loss = Problem::loss(r);
  double damping = 1e-2;
  int iteration = 0;
  for (; iteration < 100; ++iteration) {
    MatrixXd jacobian(r.size(), u.size());
    for (Eigen::Index i = 0; i < u.size(); ++i) {
      VectorXd moved = u;
      const double h = 1e-4;
      moved[i] += h;
      jacobian.col(i) = (problem.residuals(moved) - r) / h;
    }
    // Iteratively reweighted: the Cauchy loss weighs a residual with 1 / (1 + (r/c)^2).
    const VectorXd weight = (1 + (r.array() / cauchy_scale).square()).inverse().matrix();
    const MatrixXd normal = jacobian.transpose() * weight.asDiagonal() * jacobian;
    const VectorXd gradient = jacobian.transpose() * weight.asDiagonal() * r;
    bool better = false;
    for (int attempt = 0; attempt < 8 && !better; ++attempt) {
      MatrixXd damped = normal;
      damped.diagonal().array() += damping * (normal.diagonal().array() + 1e-9);
      VectorXd step = damped.ldlt().solve(-gradient);
      if (!step.allFinite()) break;
      step = step.cwiseMax(-3.0).cwiseMin(3.0);
      const VectorXd next = (u + step).cwiseMax(-8.0).cwiseMin(8.0);
      const VectorXd next_r = problem.residuals(next);
      const double next_loss = Problem::loss(next_r);
      if (next_loss < loss) {
        better = loss - next_loss > 1e-7 * loss;
        u = next;
        r = next_r;
        loss = next_loss;
        damping = std::max(1e-7, damping / 3);
        if (!better) return {u, loss, iteration + 1};
      } else {
        damping *= 4;
      }
    }
    if (!better) break;
  }
  return {u, loss, iteration};
}

}  // namespace

CurveFit fit_curve(const OperatorCurve& curve, const CurveContext& context,
                   std::span<const OperatorSample* const> samples) {
  if (samples.size() < curve.parameters().size() + 2) {
    throw std::invalid_argument("the " + std::string(curve.op()) + " curve has " +
                                std::to_string(curve.parameters().size()) +
                                " parameters and there are only " + std::to_string(samples.size()) +
                                " rows to fit.");
  }
  const Problem problem(curve, context, samples);
  Descent best{VectorXd(), INFINITY, 0};
  for (const double shift : {0.0, 1.0, -1.0}) {
    Descent found = descend(problem, problem.start(shift));
    if (found.loss < best.loss) best = std::move(found);
  }
  CurveFit fit;
  const VectorXd p = problem.values(best.u);
  fit.parameters.assign(p.begin(), p.end());
  fit.iterations = best.iterations;
  fit.training = error_of(curve, context, fit.parameters, samples);
  return fit;
}

FitError error_of(const OperatorCurve& curve, const CurveContext& context,
                  std::span<const double> parameters,
                  std::span<const OperatorSample* const> samples, const FitError* band) {
  FitError error;
  error.rows = static_cast<int>(samples.size());
  std::vector<double> ape, ratio;
  int inside = 0;
  for (const OperatorSample* s : samples) {
    const double t = curve.seconds(s->shape.data(), context, parameters.data());
    ape.push_back(std::fabs(t / s->seconds - 1));
    ratio.push_back(s->seconds / t);
    if (band && ratio.back() >= band->low && ratio.back() <= band->high) ++inside;
  }
  error.median_ape = quantile(ape, 0.5);
  error.p90_ape = quantile(ape, 0.9);
  error.low = samples.empty() ? 1 : quantile(ratio, 0.1);
  error.high = samples.empty() ? 1 : quantile(ratio, 0.9);
  if (band && !samples.empty()) error.coverage = static_cast<double>(inside) / error.rows;
  return error;
}

}  // namespace tollgate
