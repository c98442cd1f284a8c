#pragma once

#include <string>
#include <vector>

#include "sim/spec/places.h"

namespace tollgate {

/// When requests come, at a given mean rate.
enum class ArrivalKind {
  poisson,  ///< independent of each other
  uniform,  ///< equally spaced
  gamma,    ///< independent gaps of a gamma distribution with the coefficient of variation `cv`
  on_off,   ///< two states with exponential durations, Poisson arrivals in each: bursts
  diurnal,  ///< Poisson arrivals at a rate that follows the hours of the day
};

/// Users who live in one time zone.
struct TimeZone {
  std::string name;
  double utc_offset = 0;  ///< hours ahead of UTC, in quarters of an hour
  double share = 1;       ///< of the users, relative to the other zones
  Places places;
};

struct ArrivalSpec {
  ArrivalKind kind = ArrivalKind::poisson;
  double cv = 1;         ///< gamma: standard deviation of a gap over its mean
  double on = 0;         ///< on_off: mean duration of a burst, seconds
  double off = 0;        ///< on_off: mean duration between bursts, seconds
  double off_share = 0;  ///< on_off: rate between bursts over the rate in a burst, 0 to below 1
  /// diurnal: rate of each hour of the local day from 0:00 on, relative to the others; constant
  /// within the hour. Empty: `hourly_rate`.
  std::vector<double> hours;
  /// diurnal: stretches the profile around its mean, until its largest hour is so much above the
  /// mean; 0 = as it is.
  double peak_to_mean = 0;
  std::vector<TimeZone> time_zones;  ///< diurnal: empty means that all users live in UTC
  double start = 0;                  ///< diurnal: hour of the day in UTC at which time begins
  Places places;
};

/// Rate of a public service over the day, hour by hour: ServeGen (alibaba/ServeGen f891d118,
/// Apache-2.0), deepseek-r1, 24 h in windows of 10 minutes, averaged over the hours and divided by
/// the mean. The data does not say at what hour it begins.
const std::vector<double>& hourly_rate();

/// Rate of a diurnal process in each quarter of an hour of the UTC day: its hours in its time
/// zones, stretched to its peak. 96 values of mean 1; some are below 0 if the peak asked for is too
/// high for the profile.
std::vector<double> quarterly_rate(const ArrivalSpec& spec);

}  // namespace tollgate
