#include "kernels/fit/generator_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "kernels/generator/alias_generator.h"

namespace tollgate::kernels {
namespace {

constexpr int kParameters = 5;
using Vector = std::array<double, kParameters>;

/// The parameters as the search sees them: squares of the sigmas, stickiness as it is.
GeneratorSpec spec_of(const Vector& x, int domains, const FitOptions& options) {
  GeneratorSpec spec;
  spec.sigma_global = std::sqrt(x[0]);
  spec.sigma_domain = std::sqrt(x[1]);
  spec.sigma_topic = std::sqrt(x[2]);
  spec.stickiness = x[3];
  spec.layer_jitter = std::sqrt(x[4]);
  spec.domains = domains;
  spec.topics = options.topics;
  spec.topic_hold = options.topic_hold;
  return spec;
}

constexpr Vector kStart = {0.12, 0.45, 0.06, 0.15, 0.02};
constexpr Vector kStep = {0.05, 0.08, 0.04, 0.04, 0.02};  // of the difference quotients
constexpr Vector kLargest = {4.0, 6.0, 4.0, 0.85, 0.5};

/// A statistic to match, and the relative error that counts as one.
struct Moment {
  double value;
  double scale;
};

const std::vector<int> kFitSizes = {8, 32, 64, 512, 2048};

std::vector<Moment> moments_of(const TraceStatistics& s) {
  const auto& m = s.mixed;
  return {{s.mixed_cv, 0.02},
          {s.domain_cv, 0.02},
          {m[0].max_over_mean, 0.03},
          {m[2].max_over_mean, 0.04},
          {m[3].max_over_mean, 0.04},
          {m[4].max_over_mean, 0.04},
          {s.single_domain[4].max_over_mean, 0.06},
          {m[0].distinct, 0.01},
          {m[1].distinct, 0.01},
          {m[4].rank_max_over_mean[0], 0.03},
          {m[4].rank_max_over_mean[1], 0.03},
          {s.lag1, 0.02},
          {s.same_sequence, 0.02},
          {s.same_domain, 0.04},
          {s.cross_domain, 0.02},
          {s.layer_spread, 0.2}};
}

void accumulate(std::vector<BatchSkew>& sum, const std::vector<BatchSkew>& part, double weight) {
  if (sum.empty()) {
    for (const BatchSkew& one : part) {
      sum.push_back({one.batch_size, 0, 0, 0, std::vector<double>(one.rank_max_over_mean.size())});
    }
  }
  for (std::size_t i = 0; i < part.size(); ++i) {
    sum[i].max_over_mean += weight * part[i].max_over_mean;
    sum[i].cv += weight * part[i].cv;
    sum[i].distinct += weight * part[i].distinct;
    for (std::size_t r = 0; r < part[i].rank_max_over_mean.size(); ++r) {
      sum[i].rank_max_over_mean[r] += weight * part[i].rank_max_over_mean[r];
    }
  }
}

/// Solves (A + damping * diag(A)) x = b for the active parameters by elimination.
Vector solve(std::array<Vector, kParameters> a, Vector b, double damping) {
  for (int i = 0; i < kParameters; ++i) a[i][i] = a[i][i] * (1 + damping) + 1e-12;
  for (int i = 0; i < kParameters; ++i) {
    for (int j = i + 1; j < kParameters; ++j) {
      const double factor = a[j][i] / a[i][i];
      for (int c = i; c < kParameters; ++c) a[j][c] -= factor * a[i][c];
      b[j] -= factor * b[i];
    }
  }
  Vector x{};
  for (int i = kParameters - 1; i >= 0; --i) {
    double rest = b[i];
    for (int c = i + 1; c < kParameters; ++c) rest -= a[i][c] * x[c];
    x[i] = rest / a[i][i];
  }
  return x;
}

double square_sum(const std::vector<double>& residuals) {
  double sum = 0;
  for (const double r : residuals) sum += r * r;
  return sum;
}

}  // namespace

TraceStatistics simulated_statistics(const RoutingTrace& trace, const GeneratorSpec& spec,
                                     const TraceStatisticsOptions& options, int replicates,
                                     std::uint64_t seed) {
  if (replicates < 1) throw std::invalid_argument("There must be at least one replicate.");
  GeneratorProblem problem;
  problem.spec = spec;
  problem.experts = trace.experts;
  problem.top_k = trace.top_k;
  problem.layers = trace.layers;
  problem.sequences = layout_of(trace);
  TraceStatistics sum;
  const double weight = 1.0 / replicates;
  for (int i = 0; i < replicates; ++i) {
    problem.seed = seed + static_cast<std::uint64_t>(i);
    const TraceStatistics one = trace_statistics(trace_of(AliasGenerator(problem)), options);
    accumulate(sum.mixed, one.mixed, weight);
    accumulate(sum.single_domain, one.single_domain, weight);
    accumulate(sum.prefill, one.prefill, weight);
    for (double TraceStatistics::*member :
         {&TraceStatistics::lag1, &TraceStatistics::lag2, &TraceStatistics::lag64,
          &TraceStatistics::same_sequence, &TraceStatistics::same_domain,
          &TraceStatistics::cross_domain, &TraceStatistics::mixed_cv, &TraceStatistics::domain_cv,
          &TraceStatistics::layer_spread, &TraceStatistics::cross_layer,
          &TraceStatistics::cross_layer_marginal}) {
      sum.*member += weight * one.*member;
    }
  }
  return sum;
}

FitResult fit_generator(const RoutingTrace& trace, const FitOptions& options) {
  TraceStatisticsOptions statistics;
  statistics.batch_sizes = kFitSizes;
  statistics.rank_counts = {std::min(8, trace.experts), std::min(16, trace.experts)};
  statistics.samples = options.samples;
  const int domains = static_cast<int>(trace.domains.size());
  TraceStatisticsOptions careful = statistics;
  careful.samples = 8 * options.samples;  // the target is taken once
  const TraceStatistics measured = trace_statistics(trace, careful);
  const std::vector<Moment> target = moments_of(measured);

  FitResult result;
  const auto residuals_at = [&](const Vector& x) {
    ++result.trials;
    const auto moments = moments_of(simulated_statistics(
        trace, spec_of(x, domains, options), statistics, options.replicates, options.seed));
    std::vector<double> residuals;
    for (std::size_t i = 0; i < target.size(); ++i) {
      const double ratio = std::log(moments[i].value / target[i].value);
      residuals.push_back(std::isfinite(ratio) ? ratio / target[i].scale : 0.0);
    }
    return residuals;
  };

  Vector x = kStart;
  std::array<bool, kParameters> active;
  active.fill(true);
  active[0] = std::isfinite(measured.cross_domain);
  active[2] = std::isfinite(measured.same_sequence);
  active[3] = std::isfinite(measured.lag1);
  active[4] = trace.layers > 1;
  for (int p = 0; p < kParameters; ++p) {
    if (!active[p]) x[p] = 0;
  }

  std::vector<double> residuals = residuals_at(x);
  double damping = 0.01;
  for (; result.iterations < options.iterations; ++result.iterations) {
    std::array<std::vector<double>, kParameters> slopes;
    for (int p = 0; p < kParameters; ++p) {
      slopes[p].assign(residuals.size(), 0);
      if (!active[p]) continue;
      Vector moved = x;
      moved[p] += x[p] + kStep[p] <= kLargest[p] ? kStep[p] : -kStep[p];
      const std::vector<double> there = residuals_at(moved);
      for (std::size_t i = 0; i < there.size(); ++i) {
        slopes[p][i] = (there[i] - residuals[i]) / (moved[p] - x[p]);
      }
    }
    // A parameter at zero that wants to go below stays there, and the others move without it.
    std::array<bool, kParameters> moving = active;
    bool better = false;
    const double before = square_sum(residuals);
    for (int attempt = 0; attempt < 4 && !better; ++attempt) {
      Vector next = x;
      for (int round = 0; round < kParameters; ++round) {
        std::array<Vector, kParameters> normal{};
        Vector right{};
        for (int p = 0; p < kParameters; ++p) {
          if (!moving[p]) continue;
          for (int q = 0; q < kParameters; ++q) {
            if (!moving[q]) continue;
            for (std::size_t i = 0; i < residuals.size(); ++i) {
              normal[p][q] += slopes[p][i] * slopes[q][i];
            }
          }
          for (std::size_t i = 0; i < residuals.size(); ++i) {
            right[p] -= slopes[p][i] * residuals[i];
          }
        }
        const Vector step = solve(normal, right, damping);
        bool blocked = false;
        for (int p = 0; p < kParameters; ++p) {
          if (moving[p] && x[p] == 0 && step[p] < 0) {
            moving[p] = false;
            blocked = true;
          }
          next[p] = std::clamp(x[p] + (moving[p] ? step[p] : 0), 0.0, kLargest[p]);
        }
        if (!blocked) break;
      }
      const std::vector<double> there = residuals_at(next);
      if (square_sum(there) < before) {
        x = next;
        residuals = there;
        damping = std::max(damping / 4, 1e-4);
        better = true;
      } else {
        damping *= 8;
      }
    }
    if (!better || square_sum(residuals) > 0.995 * before) break;
  }
  result.spec = spec_of(x, domains, options);
  result.error = std::sqrt(square_sum(residuals) / static_cast<double>(residuals.size()));
  return result;
}

std::vector<FitRow> compare_with_trace(const RoutingTrace& trace, const GeneratorSpec& spec,
                                       int replicates, std::uint64_t seed) {
  TraceStatisticsOptions options;
  options.rank_counts = {std::min(8, trace.experts), std::min(16, trace.experts)};
  options.cross_layer = trace.layers > 1;
  options.samples = 96;
  const TraceStatistics real = trace_statistics(trace, options);
  options.samples = 16;
  const TraceStatistics drawn = simulated_statistics(trace, spec, options, replicates, seed);
  std::vector<FitRow> rows;
  const auto add = [&](std::string what, double a, double b, double limit) {
    if (!std::isfinite(a) || !std::isfinite(b) || a == 0) return;
    rows.push_back({std::move(what), a, b, b / a - 1, limit});
  };
  const auto add_batches = [&](const std::string& kind, const std::vector<BatchSkew>& a,
                               const std::vector<BatchSkew>& b, bool judged) {
    const double on = judged ? 1 : 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const std::string tail = kind + ", " + std::to_string(a[i].batch_size) + " tokens";
      add("expert max/mean, " + tail, a[i].max_over_mean, b[i].max_over_mean, 0.08 * on);
      add("expert CV, " + tail, a[i].cv, b[i].cv, 0.10 * on);
      add("distinct experts, " + tail, a[i].distinct, b[i].distinct, 0.03 * on);
      for (std::size_t r = 0; r < a[i].rank_max_over_mean.size(); ++r) {
        add("EP" + std::to_string(options.rank_counts[r]) + " rank max/mean, " + tail,
            a[i].rank_max_over_mean[r], b[i].rank_max_over_mean[r], 0.05 * on);
      }
    }
  };
  add_batches("mixed", real.mixed, drawn.mixed, true);
  add_batches("single domain", real.single_domain, drawn.single_domain, false);
  add_batches("prefill", real.prefill, drawn.prefill, false);
  add("overlap at lag 1", real.lag1, drawn.lag1, 0.10);
  add("overlap at lag 2", real.lag2, drawn.lag2, 0);
  add("overlap at lag 64", real.lag64, drawn.lag64, 0);
  add("overlap in a sequence", real.same_sequence, drawn.same_sequence, 0.10);
  add("overlap in a domain", real.same_domain, drawn.same_domain, 0);
  add("overlap across domains", real.cross_domain, drawn.cross_domain, 0);
  add("spread of skew over layers", real.layer_spread, drawn.layer_spread, 0);
  if (options.cross_layer) {
    add("next layer predicted", real.cross_layer, drawn.cross_layer, 0);
    add("next layer by frequency", real.cross_layer_marginal, drawn.cross_layer_marginal, 0);
  }
  return rows;
}

std::string to_text(const std::vector<FitRow>& rows) {
  std::string text;
  char line[160];
  for (const FitRow& row : rows) {
    const char* verdict = row.limit == 0 ? "" : (row.ok() ? "  ok" : "  MISSED");
    std::snprintf(line, sizeof line, "%-48s trace %8.3f  generated %8.3f  %+6.1f %%%s\n",
                  row.quantity.c_str(), row.trace, row.generated, 100 * row.relative_error,
                  verdict);
    text += line;
  }
  return text;
}

}  // namespace tollgate::kernels
