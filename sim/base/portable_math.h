#pragma once
/// Elementary functions of additions, multiplications, divisions and square roots only, which IEEE
/// 754 rounds correctly: the same bits on every machine, so that they may decide what is drawn.

namespace tollgate::portable {

/// Natural logarithm of a normal positive number; relative error below 1e-15.
double log(double x);

/// e^x for |x| up to 700, 0 below and 1e300 above; relative error below 1e-14.
double exp(double x);

/// sin(x) for |x| up to 2; absolute error below 1e-15.
double sin(double x);

/// Standard normal distribution function by the series of Marsaglia (Journal of Statistical
/// Software 11(4), 2004); absolute error below 1e-14. Slow.
double normal_cdf(double z);

/// Inverse of the standard normal distribution function for 0 < p < 1, algorithm AS 241 (Wichura,
/// Applied Statistics 37(3), 1988, PPND16); relative error about 1e-15.
double normal_quantile(double p);

}  // namespace tollgate::portable
