#include "sim/serving/workload/arrivals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/base/error.h"

namespace tollgate {
namespace {

std::vector<double> times(const ArrivalSpec& spec, double rate, std::size_t count,
                          std::uint64_t seed = 1) {
  ArrivalProcess process(spec, rate, seed);
  std::vector<double> at;
  Ticks before = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Ticks t = process.next();
    EXPECT_GE(t, before);
    before = t;
    at.push_back(to_seconds(t));
  }
  return at;
}

struct Gaps {
  double mean = 0, cv = 0;
  std::vector<double> sorted;
};

Gaps gaps_of(const std::vector<double>& at) {
  Gaps g;
  double square = 0;
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double gap = at[i] - (i == 0 ? 0 : at[i - 1]);
    g.sorted.push_back(gap);
    g.mean += gap;
    square += gap * gap;
  }
  const auto n = static_cast<double>(at.size());
  g.mean /= n;
  g.cv = std::sqrt(square / n - g.mean * g.mean) / g.mean;
  std::sort(g.sorted.begin(), g.sorted.end());
  return g;
}

/// Largest distance of the empirical distribution function to `cdf`, times sqrt(n). Kolmogorov: it
/// stays below 1.95 in 99.9 % of samples. Gaps below a microsecond, where times have their grain,
/// only count as such.
template <class Cdf>
double kolmogorov(const std::vector<double>& sorted, Cdf cdf) {
  const auto n = static_cast<double>(sorted.size());
  double most = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] < 1e-6) continue;
    const double f = cdf(sorted[i]);
    most = std::max({most, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return most * std::sqrt(n);
}

/// Regularised lower incomplete gamma function by its series.
double gamma_cdf(double shape, double x) {
  if (x <= 0) return 0;
  if (x > 200 + 2 * shape) return 1;
  double term = 1 / shape, sum = term;
  for (int k = 1; term > 1e-17 * sum; ++k) sum += term *= x / (shape + k);
  return sum * std::exp(shape * std::log(x) - x - std::lgamma(shape));
}

/// 200,000 gaps: the mean has sigma 0.22 %, the coefficient of variation of an exponential the
/// same.
TEST(arrivals, poisson_gaps_are_exponential) {
  const Gaps g = gaps_of(times({}, 7, 200'000));
  EXPECT_NEAR(g.mean * 7, 1, 4 * 0.0022);
  EXPECT_NEAR(g.cv, 1, 4 * 0.0022);
  EXPECT_LT(kolmogorov(g.sorted, [](double x) { return 1 - std::exp(-7 * x); }), 1.95);
}

TEST(arrivals, uniform_gaps_are_equal) {
  ArrivalSpec spec;
  spec.kind = ArrivalKind::uniform;
  const std::vector<double> at = times(spec, 4, 1000);
  for (std::size_t i = 0; i < at.size(); ++i) {
    ASSERT_DOUBLE_EQ(at[i], static_cast<double>(i + 1) / 4);
  }
}

/// The mean of n gaps has sigma cv / sqrt(n); the cv about half of sqrt((2 + 6 cv^2) / n), as the
/// excess kurtosis of a gamma distribution is 6 cv^2, and what the mean adds.
TEST(arrivals, gamma_gaps_have_their_variation) {
  constexpr double n = 400'000;
  for (const double cv : {0.2, 0.8, 1.0, 1.09, 3.0, 13.0}) {
    ArrivalSpec spec;
    spec.kind = ArrivalKind::gamma;
    spec.cv = cv;
    const Gaps g = gaps_of(times(spec, 2, static_cast<std::size_t>(n)));
    EXPECT_NEAR(g.mean * 2, 1, 4 * cv / std::sqrt(n)) << cv;
    EXPECT_NEAR(g.cv / cv, 1, 4 * (0.5 * std::sqrt(2 + 6 * cv * cv) + cv) / std::sqrt(n)) << cv;
    const double shape = 1 / (cv * cv);
    EXPECT_LT(kolmogorov(g.sorted, [&](double x) { return gamma_cdf(shape, x * 2 * shape); }), 1.95)
        << cv;
  }
}

/// Index of dispersion of the counts of a Markov-modulated Poisson process of two states in windows
/// of length t (Fischer and Meier-Hellstern 1993, equation for IDC). 10,000 windows: the estimate
/// of a variance has sigma 1.4 % for normal counts; these have heavier tails.
TEST(arrivals, bursts_have_the_dispersion_of_two_states) {
  for (const double share : {0.0, 0.3}) {
    for (const double window : {5.0, 20.0, 120.0}) {
      ArrivalSpec spec;
      spec.kind = ArrivalKind::on_off;
      spec.on = 10;
      spec.off = 30;
      spec.off_share = share;
      constexpr double rate = 4;
      const double seconds = 10'000 * window;
      ArrivalProcess process(spec, rate, 11);
      std::vector<double> counts(10'000, 0.0);
      double total = 0;
      for (double at; (at = to_seconds(process.next())) < seconds; ++total) {
        ++counts[static_cast<std::size_t>(at / window)];
      }
      const double on_rate = rate * 40 / (10 + 30 * share), off_rate = share * on_rate;
      const double leave_on = 0.1, leave_off = 1.0 / 30, sum = leave_on + leave_off;
      const double slope = 2 * leave_on * leave_off * (on_rate - off_rate) * (on_rate - off_rate) /
                           (sum * sum * (on_rate * leave_off + off_rate * leave_on));
      const auto dispersion = [&](double t) {
        return 1 + slope * (1 - (1 - std::exp(-sum * t)) / (sum * t));
      };
      EXPECT_NEAR(total / seconds / rate, 1, 4 * std::sqrt(dispersion(seconds) / (rate * seconds)));
      double variance = 0;
      for (const double c : counts) variance += (c - rate * window) * (c - rate * window) / 10'000;
      EXPECT_NEAR(variance / (rate * window) / dispersion(window), 1, 0.08)
          << share << " " << window;
    }
  }
}

/// 20 days of counts by UTC hour against hours that are shifted by hand: chi-square with 24 degrees
/// of freedom has mean 24 and sigma 6.9.
TEST(arrivals, the_day_has_its_hours) {
  ArrivalSpec spec;
  spec.kind = ArrivalKind::diurnal;
  for (int h = 0; h < 24; ++h) spec.hours.push_back(h < 6 ? 0 : 1 + h % 5);
  spec.time_zones = {{"Kolkata", 5.5, 1, {}}, {"New York", -5, 3, {}}};
  spec.start = 7.75;
  std::vector<double> expected(24, 0.0);
  for (std::size_t h = 0; h < 24; ++h) {
    // 5.5 hours ahead, an hour of UTC is half of one local hour and half of the next.
    expected[h] =
        0.5 * (spec.hours[(h + 5) % 24] + spec.hours[(h + 6) % 24]) + 3 * spec.hours[(h + 19) % 24];
  }
  const double sum = std::accumulate(expected.begin(), expected.end(), 0.0);
  constexpr double rate = 0.5, seconds = 20 * 86400;
  ArrivalProcess process(spec, rate, 2);
  std::vector<double> counts(24, 0.0);
  for (double at; (at = to_seconds(process.next())) < seconds;) {
    ++counts[static_cast<std::size_t>(std::fmod(at / 3600 + 7.75, 24))];
  }
  double chi_square = 0;
  for (std::size_t h = 0; h < 24; ++h) {
    const double e = expected[h] / sum * rate * seconds;
    chi_square += (counts[h] - e) * (counts[h] - e) / e;
  }
  EXPECT_LT(chi_square, 24 + 3.5 * 6.9);
  EXPECT_GT(chi_square, 24 - 2.5 * 6.9);
}

TEST(arrivals, profiles_are_stretched_to_their_peak) {
  ArrivalSpec spec;
  spec.kind = ArrivalKind::diurnal;
  for (const double peak : {0.0, 1.0, 1.5, 2.5}) {
    spec.peak_to_mean = peak;
    const std::vector<double> rate = quarterly_rate(spec);
    ASSERT_EQ(rate.size(), 96u);
    EXPECT_NEAR(std::accumulate(rate.begin(), rate.end(), 0.0) / 96, 1, 1e-12);
    const double top = *std::max_element(rate.begin(), rate.end());
    EXPECT_NEAR(top, peak > 0 ? peak : 2.194 / (24.002 / 24), 1e-3);
  }
}

TEST(arrivals, follow_the_seed) {
  for (const ArrivalKind kind :
       {ArrivalKind::poisson, ArrivalKind::gamma, ArrivalKind::on_off, ArrivalKind::diurnal}) {
    ArrivalSpec spec;
    spec.kind = kind;
    spec.cv = 2;
    spec.on = spec.off = 5;
    EXPECT_EQ(times(spec, 3, 1000, 9), times(spec, 3, 1000, 9));
    EXPECT_NE(times(spec, 3, 1000, 9), times(spec, 3, 1000, 10));
  }
}

TEST(arrivals, end_with_the_clock) {
  ArrivalSpec spec;
  for (const ArrivalKind kind :
       {ArrivalKind::poisson, ArrivalKind::uniform, ArrivalKind::diurnal}) {
    spec.kind = kind;
    ArrivalProcess process(spec, 1e-5, 1);
    EXPECT_THROW(
        {
          for (int i = 0; i < 1000; ++i) process.next();
        },
        InputError);
  }
}

}  // namespace
}  // namespace tollgate
