#include "kernels/core/math_tables.h"

#include "kernels/core/fixed_point.h"

namespace tollgate::kernels {
namespace {

constexpr double kLn2 = 0.693147180559945309417232121458;
constexpr double kSqrtTwoPi = 2.50662827463100050241576528481;

constexpr double exponential(double x) {
  const double y = x / 1024;
  double term = 1;
  double sum = 1;
  for (int n = 1; n <= 10; ++n) {
    term *= y / n;
    sum += term;
  }
  for (int i = 0; i < 10; ++i) sum *= sum;
  return sum;
}

/// ln(1 + y), accurate also for small y > 0.
constexpr double log_one_plus(double y) {
  double octaves = 0;
  double mantissa_less_one = y;
  while (mantissa_less_one > 0.5) {
    mantissa_less_one = (mantissa_less_one - 1) / 2;
    octaves += 1;
  }
  const double t = mantissa_less_one / (mantissa_less_one + 2);
  double power = t;
  double sum = 0;
  for (int n = 1; n <= 45; n += 2) {
    sum += power / n;
    power *= t * t;
  }
  return octaves * kLn2 + 2 * sum;
}

constexpr double square_root(double x) {
  if (x <= 0) return 0;
  double root = x > 1 ? x : 1;
  for (int i = 0; i < 60; ++i) {
    const double next = (root + x / root) / 2;
    if (next >= root) break;
    root = next;
  }
  return root;
}

constexpr GumbelTables make_gumbel_tables() {
  GumbelTables tables{};
  const double unit = 1 << 30;
  for (int i = 0; i <= 256; ++i) {
    tables.log2[i] = static_cast<std::uint32_t>(log_one_plus(i / 256.0) / kLn2 * unit + 0.5);
    const double w = i / 512.0;
    double h_less_one = 0;
    double power = w;
    for (int n = 1; n <= 60; ++n) {
      h_less_one += power / (n + 1);
      power *= w;
    }
    tables.log_h[i] = static_cast<std::uint32_t>(log_one_plus(h_less_one) * unit + 0.5);
  }
  return tables;
}

constexpr ScoreTables make_score_tables() {
  ScoreTables tables{};
  const double unit = 1 << kScoreFraction;
  for (int i = 0; i <= 4096; ++i) {
    const double x = (i - 2048) / 64.0;
    const double e = exponential(x);
    tables.sigmoid[i] = static_cast<std::int32_t>(e / (1 + e) * unit);
    tables.sqrt_softplus[i] = static_cast<std::int32_t>(square_root(log_one_plus(e)) * unit);
  }
  for (int i = 0; i <= 256; ++i) {
    const double x = -kLn2 * i / 256.0;
    double sum = 1;
    double term = 1;
    for (int n = 1; n < 24; ++n) {
      term = term * x / n;
      sum = sum + term;
    }
    tables.exp2[i] = static_cast<std::uint32_t>(sum * 2147483648.0 + 0.5);
  }
  return tables;
}

/// Newton's iteration on the upper tail Q(x) = 1/2 - density(x) * (x + x^3/3 + x^5/15 + ...).
constexpr double normal_quantile(double tail, double start) {
  double x = start;
  for (int iteration = 0; iteration < 20; ++iteration) {
    const double density = exponential(-x * x / 2) / kSqrtTwoPi;
    double term = x;
    double sum = x;
    for (int n = 3; term > 1e-17 * sum && n < 400; n += 2) {
      term *= x * x / n;
      sum += term;
    }
    const double step = (0.5 - density * sum - tail) / density;
    x += step;
    if (step < 1e-9 && step > -1e-9) break;
  }
  return x;
}

constexpr NormalTable make_normal_table() {
  NormalTable table{};
  table.quantile[32 * 32] = 0;
  double x = 0;
  double tail_of_octave = 0.25;
  for (int octave = 31; octave >= 0; --octave) {
    for (int i = 31; i >= 0; --i) {
      x = normal_quantile((1 + i / 32.0) * tail_of_octave, x);
      table.quantile[octave * 32 + i] = to_fixed(x, kLogitFraction);
    }
    tail_of_octave /= 2;
  }
  return table;
}

constexpr GumbelTables kGumbelTables = make_gumbel_tables();
constexpr ScoreTables kScoreTables = make_score_tables();
constexpr NormalTable kNormalTable = make_normal_table();

}  // namespace

const GumbelTables& gumbel_tables() { return kGumbelTables; }
const ScoreTables& score_tables() { return kScoreTables; }
const NormalTable& normal_table() { return kNormalTable; }

}  // namespace tollgate::kernels
