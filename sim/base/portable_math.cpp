#include "sim/base/portable_math.h"

#include <bit>
#include <cmath>
#include <cstdint>

namespace tollgate::portable {
namespace {

constexpr double ln2_high = 0x1.62e42fefa38p-1;  // 42 bits, so that multiples are exact
constexpr double ln2_low = 0x1.ef35793c7673p-45;

/// c[0] + c[1] x + c[2] x^2 + ..., even and odd powers apart: two short chains instead of a long
/// one.
template <int n>
double polynomial(const double (&c)[n], double x) {
  const double square = x * x;
  double even = c[(n - 1) / 2 * 2], odd = c[(n - 2) / 2 * 2 + 1];
  for (int i = (n - 1) / 2 * 2 - 2; i >= 0; i -= 2) even = even * square + c[i];
  for (int i = (n - 2) / 2 * 2 - 1; i >= 1; i -= 2) odd = odd * square + c[i];
  return even + x * odd;
}

}  // namespace

double log(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull);
  if (m > 1.4142135623730951) {
    m /= 2;
    ++exponent;
  }
  // 2 atanh(s), |s| <= 0.1716: the first term left out is below 2e-18.
  const double s = (m - 1) / (m + 1), t = s * s;
  constexpr double c[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                          2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};
  const double e = exponent;
  return e * ln2_high + (2 * s + (s * t * polynomial(c, t) + e * ln2_low));
}

double exp(double x) {
  if (x < -700) return 0;
  if (x > 700) return 1e300;
  const auto k = static_cast<std::int64_t>(x * 1.4426950408889634 + (x < 0 ? -0.5 : 0.5));
  const auto e = static_cast<double>(k);
  const double r = (x - e * ln2_high) - e * ln2_low;
  // Taylor, |r| <= 0.3466: the first term left out is below 2e-17.
  constexpr double c[] = {1,
                          1,
                          1.0 / 2,
                          1.0 / 6,
                          1.0 / 24,
                          1.0 / 120,
                          1.0 / 720,
                          1.0 / 5040,
                          1.0 / 40320,
                          1.0 / 362880,
                          1.0 / 3628800,
                          1.0 / 39916800,
                          1.0 / 479001600};
  return polynomial(c, r) * std::bit_cast<double>(static_cast<std::uint64_t>(k + 1023) << 52);
}

double sin(double x) {
  double term = x, sum = x;
  for (int n = 2; n < 30; n += 2) {
    term *= -x * x / (n * (n + 1));
    sum += term;
  }
  return sum;
}

double normal_cdf(double z) {
  if (z < -8) return 0;
  if (z > 8) return 1;
  double sum = z, term = z, before = 0;
  for (int i = 3; sum != before; i += 2) {
    before = sum;
    term *= z * z / i;
    sum += term;
  }
  constexpr double half_log_two_pi = 0.91893853320467274178;
  return 0.5 + sum * exp(-0.5 * z * z - half_log_two_pi);
}

double normal_quantile(double p) {
  const double q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    constexpr double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                            1.9715909503065514427e3, 1.3731693765509461125e4,
                            4.5921953931549871457e4, 6.7265770927008700853e4,
                            3.3430575583588128105e4, 2.5090809287301226727e3};
    constexpr double b[] = {1.0,
                            4.2313330701600911252e1,
                            6.8718700749205790830e2,
                            5.3941960214247511077e3,
                            2.1213794301586595867e4,
                            3.9307895800092710610e4,
                            2.8729085735721942674e4,
                            5.2264952788528545610e3};
    const double r = 0.180625 - q * q;
    return q * polynomial(a, r) / polynomial(b, r);
  }
  const double tail = q < 0 ? p : 1 - p;
  double r = std::sqrt(-log(tail));
  double z;
  if (r <= 5) {
    constexpr double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                            5.76949722146069140550e0,  3.64784832476320460504e0,
                            1.27045825245236838258e0,  2.41780725177450611770e-1,
                            2.27238449892691845833e-2, 7.74545014278341407640e-4};
    constexpr double d[] = {1.0,
                            2.05319162663775882187e0,
                            1.67638483018380384940e0,
                            6.89767334985100004550e-1,
                            1.48103976427480074590e-1,
                            1.51986665636164571966e-2,
                            5.47593808499534494600e-4,
                            1.05075007164441684324e-9};
    r -= 1.6;
    z = polynomial(c, r) / polynomial(d, r);
  } else {
    constexpr double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                            1.78482653991729133580e0,  2.96560571828504891230e-1,
                            2.65321895265761230930e-2, 1.24266094738807843860e-3,
                            2.71155556874348757815e-5, 2.01033439929228813265e-7};
    constexpr double f[] = {1.0,
                            5.99832206555887937690e-1,
                            1.36929880922735805310e-1,
                            1.48753612908506148525e-2,
                            7.86869131145613259100e-4,
                            1.84631831751005468180e-5,
                            1.42151175831644588870e-7,
                            2.04426310338993978564e-15};
    r -= 5;
    z = polynomial(e, r) / polynomial(f, r);
  }
  return q < 0 ? -z : z;
}

}  // namespace tollgate::portable
