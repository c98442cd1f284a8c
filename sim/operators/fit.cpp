#include "sim/operators/fit.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "sim/base/quantile.h"

namespace tollgate {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Residuals beyond this count less and less: a Cauchy loss c^2/2 ln(1 + (r/c)^2), c in ln units.
constexpr double cauchy_scale = 0.15;

/// Weight of a parameter's squared distance from its start, in logits. It decides only what the
/// data leave open: three logits weigh like one row that is off by 5 %.
constexpr double ridge = 0.01;

constexpr int screened_starts = 256;
constexpr std::size_t screening_rows = 300;

class Problem {
 public:
  Problem(const OperatorCurve& curve, const CurveContext& context,
          std::span<const OperatorSample* const> samples)
      : curve_(curve), context_(context), samples_(samples) {
    origin_ = start(0);
  }

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
  /// The u of given parameters, inside by a little.
  VectorXd place(std::span<const double> parameters) const {
    VectorXd u(static_cast<Eigen::Index>(parameters.size()));
    for (Eigen::Index i = 0; i < u.size(); ++i) {
      const CurveParameter& c = curve_.parameters()[static_cast<std::size_t>(i)];
      const double p = parameters[static_cast<std::size_t>(i)];
      const double s = logarithmic(c) ? std::log(p / c.low) / std::log(c.high / c.low)
                                      : (p - c.low) / (c.high - c.low);
      const double inside = std::clamp(s, 0.001, 0.999);
      u[i] = std::log(inside / (1 - inside));
    }
    return u;
  }
  /// Start 0 is the curve's own; the others lie around it on a low-discrepancy sequence (Kronecker,
  /// steps of frac(sqrt(prime))), up to `reach` away in each logit.
  VectorXd start(int number) const {
    constexpr double reach = 2.5;
    VectorXd u(parameters());
    for (Eigen::Index i = 0; i < u.size(); ++i) {
      const CurveParameter& c = curve_.parameters()[static_cast<std::size_t>(i)];
      double s = logarithmic(c) ? std::log(c.start / c.low) / std::log(c.high / c.low)
                                : (c.start - c.low) / (c.high - c.low);
      s = std::clamp(s, 0.02, 0.98);
      u[i] = std::log(s / (1 - s));
      if (number == 0) continue;
      double at = number * root_of_prime(i);
      at -= std::floor(at);
      u[i] = std::clamp(u[i] + reach * (2 * at - 1), -5.0, 5.0);
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

  double loss(const VectorXd& u, const VectorXd& r) const {
    double sum = ridge * (u - origin_).squaredNorm();
    for (const double x : r) sum += std::log1p(x * x / (cauchy_scale * cauchy_scale));
    return sum;
  }
  const VectorXd& origin() const { return origin_; }

 private:
  static double root_of_prime(Eigen::Index i) {
    static constexpr std::array<double, 16> primes{2,  3,  5,  7,  11, 13, 17, 19,
                                                   23, 29, 31, 37, 41, 43, 47, 53};
    return std::sqrt(primes[static_cast<std::size_t>(i) % primes.size()]);
  }
  static bool logarithmic(const CurveParameter& c) { return c.low > 0 && c.high > 10 * c.low; }

  const OperatorCurve& curve_;
  const CurveContext& context_;
  std::span<const OperatorSample* const> samples_;
  VectorXd origin_;
};

struct Descent {
  VectorXd u;
  double loss;
  int iterations;
};

Descent descend(const Problem& problem, VectorXd u) {
  VectorXd r = problem.residuals(u);
  double loss = problem.loss(u, r);
  constexpr double pull = ridge * cauchy_scale * cauchy_scale;
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
    MatrixXd normal = jacobian.transpose() * weight.asDiagonal() * jacobian;
    normal.diagonal().array() += pull;
    const VectorXd gradient =
        jacobian.transpose() * weight.asDiagonal() * r + pull * (u - problem.origin());
    bool better = false;
    for (int attempt = 0; attempt < 8 && !better; ++attempt) {
      MatrixXd damped = normal;
      damped.diagonal().array() += damping * (normal.diagonal().array() + 1e-9);
      VectorXd step = damped.ldlt().solve(-gradient);
      if (!step.allFinite()) break;
      step = step.cwiseMax(-3.0).cwiseMin(3.0);
      const VectorXd next = (u + step).cwiseMax(-8.0).cwiseMin(8.0);
      const VectorXd next_r = problem.residuals(next);
      const double next_loss = problem.loss(next, next_r);
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

CurveFit described(const Problem& problem, const Descent& best, const OperatorCurve& curve,
                   const CurveContext& context, std::span<const OperatorSample* const> samples) {
  CurveFit fit;
  const VectorXd p = problem.values(best.u);
  fit.parameters.assign(p.begin(), p.end());
  fit.iterations = best.iterations;
  fit.training = error_of(curve, context, fit.parameters, samples);
  return fit;
}

void expect_enough(const OperatorCurve& curve, std::span<const OperatorSample* const> samples) {
  if (samples.size() < curve.parameters().size() + 2) {
    throw std::invalid_argument("the " + std::string(curve.op()) + " curve has " +
                                std::to_string(curve.parameters().size()) +
                                " parameters and there are only " + std::to_string(samples.size()) +
                                " rows to fit.");
  }
}

}  // namespace

CurveFit refit_curve(const OperatorCurve& curve, const CurveContext& context,
                     std::span<const OperatorSample* const> samples,
                     std::span<const double> parameters) {
  expect_enough(curve, samples);
  const Problem problem(curve, context, samples);
  return described(problem, descend(problem, problem.place(parameters)), curve, context, samples);
}

CurveFit fit_curve(const OperatorCurve& curve, const CurveContext& context,
                   std::span<const OperatorSample* const> samples) {
  expect_enough(curve, samples);
  const Problem problem(curve, context, samples);
  // Curves with a least over tiles have many local minima: screen starts on some rows, descend from
  // the best few on those, and from the best of these on all.
  std::vector<const OperatorSample*> some(samples.begin(), samples.end());
  if (some.size() > screening_rows) {
    for (std::size_t i = 0; i < screening_rows; ++i) {
      some[i] = samples[i * samples.size() / screening_rows];
    }
    some.resize(screening_rows);
  }
  const Problem screen(curve, context, some);
  std::vector<Descent> starts;
  for (int i = 0; i < screened_starts; ++i) {
    VectorXd u = screen.start(i);
    const double loss = i == 0 ? -1 : screen.loss(u, screen.residuals(u));
    starts.push_back({std::move(u), loss, 0});
  }
  const auto keep_best = [&](std::size_t count) {
    std::stable_sort(starts.begin(), starts.end(),
                     [](const Descent& a, const Descent& b) { return a.loss < b.loss; });
    starts.resize(std::min(count, starts.size()));
  };
  keep_best(16);
  for (Descent& d : starts) d = descend(screen, std::move(d.u));
  keep_best(4);
  Descent best{VectorXd(), INFINITY, 0};
  for (Descent& d : starts) {
    Descent found = descend(problem, std::move(d.u));
    if (found.loss < best.loss) best = std::move(found);
  }
  return described(problem, best, curve, context, samples);
}

FitError error_of(const OperatorCurve& curve, const CurveContext& context,
                  std::span<const double> parameters,
                  std::span<const OperatorSample* const> samples, const FitError* band) {
  const auto seconds = [&](const double* shape) {
    return curve.seconds(shape, context, parameters.data());
  };
  return error_of(seconds, samples, band);
}

FitError error_of(const Predictor& seconds, std::span<const OperatorSample* const> samples,
                  const FitError* band) {
  FitError error;
  error.rows = static_cast<int>(samples.size());
  std::vector<double> ape, ratio;
  int inside = 0;
  for (const OperatorSample* s : samples) {
    const double t = seconds(s->shape.data());
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
