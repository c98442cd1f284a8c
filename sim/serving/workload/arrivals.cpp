#include "sim/serving/workload/arrivals.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "sim/base/error.h"
#include "sim/base/portable_math.h"

namespace tollgate {
namespace {

constexpr double unit_arrival = 4294967296.0;  // 2^32
constexpr Ticks quarter = 900 * ticks_per_second;

double exponential(std::uint32_t word) { return -portable::log(unit(word)); }

Ticks ticks(double seconds) {
  return static_cast<Ticks>(
      std::min(seconds * static_cast<double>(ticks_per_second), static_cast<double>(latest_end)));
}

/// Gamma variate of any shape, of mean 1.
double gamma_of_mean_one(double shape, std::uint64_t seed, std::uint32_t which) {
  const double a = shape < 1 ? shape + 1 : shape;
  const double d = a - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (std::uint32_t attempt = 0;; ++attempt) {
    const kernels::Words4 words = draw(seed, Draw::gamma_gap, which, 0, attempt);
    const double x = portable::normal_quantile(unit(words.w[0]));
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (portable::log(unit(words.w[1])) >= x * x / 2 + d - d * v + d * portable::log(v)) continue;
    const double boost = shape < 1 ? portable::exp(portable::log(unit(words.w[2])) / shape) : 1;
    return d * v * boost / shape;
  }
}

}  // namespace

ArrivalProcess::ArrivalProcess(const ArrivalSpec& spec, double rate, std::uint64_t seed)
    : kind_(spec.kind), seed_(seed) {
  mean_units_per_tick_ = rate * unit_arrival / static_cast<double>(ticks_per_second);
  if (kind_ == ArrivalKind::gamma) shape_ = 1 / (spec.cv * spec.cv);
  if (kind_ == ArrivalKind::on_off) {
    on_seconds_ = spec.on;
    off_seconds_ = spec.off;
    on_rate_ = (spec.on + spec.off) / (spec.on + spec.off * spec.off_share);
    off_rate_ = spec.off_share * on_rate_;
    // Exponential durations have no memory: with this first state the process is stationary.
    on_ = unit(draw(seed_, Draw::state, 0).w[1]) >= spec.on / (spec.on + spec.off);
  }
  if (kind_ == ArrivalKind::diurnal) {
    quarters_ = quarterly_rate(spec);
    day_begins_ = ticks(spec.start * 3600);
    segment_ = static_cast<std::uint32_t>(day_begins_ / quarter);
  }
  next_segment();
}

void ArrivalProcess::next_segment() {
  begin_ = end_;
  if (begin_ > latest_arrival) {
    throw InputError("request " + std::to_string(arrivals_) +
                     " arrives after 53 days, beyond the simulator's clock");
  }
  double factor = 1;
  if (kind_ == ArrivalKind::on_off) {
    on_ = !on_;
    const double mean = on_ ? on_seconds_ : off_seconds_;
    end_ += std::max<Ticks>(1, ticks(mean * exponential(draw(seed_, Draw::state, segment_).w[0])));
    factor = on_ ? on_rate_ : off_rate_;
  } else if (kind_ == ArrivalKind::diurnal) {
    end_ = (static_cast<Ticks>(segment_) + 1) * quarter - day_begins_;
    factor = quarters_[segment_ % quarters_.size()];
  } else {
    end_ = never;
  }
  ++segment_;
  units_per_tick_ = factor * mean_units_per_tick_;
}

std::int64_t ArrivalProcess::gap() {
  const std::uint32_t i = arrivals_++;
  if (kind_ == ArrivalKind::uniform) return static_cast<std::int64_t>(unit_arrival);
  double units;
  if (kind_ == ArrivalKind::gamma) {
    units = gamma_of_mean_one(shape_, seed_, i);
  } else {
    if (i % 4 == 0) words_ = draw(seed_, Draw::gap, i / 4);
    units = exponential(words_.w[i % 4]);
  }
  return static_cast<std::int64_t>(units * unit_arrival + 0.5);
}

Ticks ArrivalProcess::next() {
  units_ += gap();
  for (;;) {
    const auto ahead = static_cast<double>(units_ - units_at_begin_);
    if (end_ == never) {
      const double at = ahead / units_per_tick_;
      if (at <= static_cast<double>(latest_arrival)) return static_cast<Ticks>(at);
      begin_ = end_;
      next_segment();  // throws
    }
    const double room = static_cast<double>(end_ - begin_) * units_per_tick_;
    if (ahead < room) {
      return std::min(end_, begin_ + static_cast<Ticks>(ahead / units_per_tick_));
    }
    units_at_begin_ += static_cast<std::int64_t>(room);
    next_segment();
  }
}

}  // namespace tollgate
