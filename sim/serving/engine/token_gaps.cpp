#include "sim/serving/engine/token_gaps.h"

#include <algorithm>

namespace tollgate {
namespace {

constexpr std::size_t most_slices = 128;

}  // namespace

void GapHistogram::make_room(std::size_t bin) {
  const std::size_t power = bin / per_power * per_power;
  if (bins_.empty()) first_ = power;
  if (power < first_) {
    bins_.insert(bins_.begin(), first_ - power, 0);
    first_ = power;
  }
  bins_.resize(std::max(bins_.size(), power + per_power - first_), 0);
}

/// Gaps of steps that fall into several bins.
void GapHistogram::spread(const StepRun& run, std::int64_t from, std::int64_t to,
                          std::int64_t count) {
  const Ticks last = run.step(to - 1);
  while (from < to) {
    const std::size_t i = bin_of(run.step(from));
    const Ticks beyond = floor_of(i + 1);
    const std::int64_t next = last < beyond ? to : run.shorter_than(beyond);
    bin(i) += (next - from) * count;
    from = next;
  }
}

GapHistogram& GapHistogram::operator+=(const GapHistogram& o) {
  if (o.count_ == 0) return *this;
  make_room(o.first_);
  make_room(o.first_ + o.bins_.size() - 1);
  for (std::size_t i = 0; i < o.bins_.size(); ++i) bins_[o.first_ - first_ + i] += o.bins_[i];
  count_ += o.count_;
  longest_ = std::max(longest_, o.longest_);
  sum_ += o.sum_;
  return *this;
}

double GapHistogram::mean() const {
  if (count_ == 0) return 0;
  return static_cast<double>(sum_) / static_cast<double>(count_) /
         static_cast<double>(ticks_per_second);
}

double GapHistogram::quantile(double p) const {
  double left = p * static_cast<double>(count_);
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    const auto here = static_cast<double>(bins_[i]);
    if (here > 0 && here >= left) {
      const Ticks low = floor_of(first_ + i);
      const Ticks high = std::min(floor_of(first_ + i + 1), longest_);
      return to_seconds(low) + to_seconds(std::max<Ticks>(high - low, 0)) * left / here;
    }
    left -= here;
  }
  return to_seconds(longest_);
}

/// Widens the slices until one of them holds `end`.
void TokenGaps::cover(Ticks end) {
  while (static_cast<std::size_t>(end >> width_) >= most_slices) {
    std::vector<GapHistogram> wider((slices_.size() + 1) / 2);
    for (std::size_t i = 0; i < slices_.size(); ++i) wider[i / 2] += slices_[i];
    slices_ = std::move(wider);
    ++width_;
  }
}

GapHistogram& TokenGaps::new_slice(Ticks end) {
  cover(end);
  const auto i = static_cast<std::size_t>(end >> width_);
  if (i >= slices_.size()) slices_.resize(i + 1);
  return slices_[i];
}

/// Gaps of steps that end in several slices.
void TokenGaps::divide(const StepRun& run, std::int64_t from, std::int64_t to, std::int64_t count) {
  const Ticks last = run.end(to);
  while (from < to) {
    const Ticks end = run.end(from + 1), beyond = ((end >> width_) + 1) << width_;
    const std::int64_t next = last < beyond ? to : run.ended_before(beyond - run.start, to) - 1;
    slice(end).add(run, from, next, count);
    from = next;
  }
}

TokenGaps& TokenGaps::operator+=(const TokenGaps& o) {
  if (o.slices_.empty()) return *this;
  TokenGaps other = o;
  while (width_ < other.width_) cover(static_cast<Ticks>(most_slices) << width_);
  while (other.width_ < width_) other.cover(static_cast<Ticks>(most_slices) << other.width_);
  if (slices_.size() < other.slices_.size()) slices_.resize(other.slices_.size());
  for (std::size_t i = 0; i < other.slices_.size(); ++i) slices_[i] += other.slices_[i];
  return *this;
}

GapHistogram TokenGaps::between(Ticks from, Ticks to) const {
  const auto sum = [&](bool inside) {
    GapHistogram all;
    for (std::size_t i = 0; i < slices_.size(); ++i) {
      const Ticks low = static_cast<Ticks>(i) << width_, high = low + (Ticks{1} << width_);
      if (inside ? low >= from && high <= to : low <= to && high > from) all += slices_[i];
    }
    return all;
  };
  const GapHistogram inside = sum(true);
  return inside.count() > 0 ? inside : sum(false);
}

Ticks LastEmissions::leave(std::int32_t sequence) {
  const auto at = std::find_if(apart_.begin(), apart_.end(),
                               [&](const auto& a) { return a.first == sequence; });
  if (at == apart_.end()) return together_;
  const Ticks emitted = at->second;
  apart_.erase(at);
  return emitted;
}

}  // namespace tollgate
