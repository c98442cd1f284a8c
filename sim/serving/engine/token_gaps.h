#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "sim/serving/engine/clock.h"
#include "sim/serving/engine/step_run.h"

namespace tollgate {

/// Numbers of times between two tokens, by length: 64 bins of equal width between a power of two
/// and the next, so that a bin is at most 1/64 of its times wide. Number, sum and the longest are
/// exact.
class GapHistogram {
 public:
  /// `count` gaps of one length, at least 1 tick.
  void add(Ticks gap, std::int64_t count) {
    bin(bin_of(gap)) += count;
    add_sums(count, gap, gap, count);
  }
  /// `count` sequences that emit at the end of each step of a run from `from` up to `to`, which is
  /// left out.
  void add(const StepRun& run, std::int64_t from, std::int64_t to, std::int64_t count) {
    const Ticks first = run.step(from), last = run.step(to - 1);
    const std::size_t i = bin_of(first);
    if (bin_of(last) == i) {
      bin(i) += (to - from) * count;
    } else {
      spread(run, from, to, count);
    }
    add_sums((to - from) * count, last, run.duration(to) - run.duration(from), count);
  }
  GapHistogram& operator+=(const GapHistogram& o);

  std::int64_t count() const { return count_; }
  Ticks longest() const { return longest_; }
  /// Seconds; 0 where there are none.
  double mean() const;
  /// The time, in seconds, below which the share `p` lies: evenly spread within a bin.
  double quantile(double p) const;

  bool operator==(const GapHistogram&) const = default;

 private:
  /// Sums of many answers' times pass 63 bits.
  __extension__ using Wide = unsigned __int128;

  static constexpr int sub_bits = 6;
  static constexpr std::size_t per_power = std::size_t{1} << sub_bits;

  /// Gaps below 64 ticks, 64 ps, count as 64.
  static std::size_t bin_of(Ticks gap) {
    const auto g = static_cast<std::uint64_t>(std::max<Ticks>(gap, per_power));
    const int power = std::bit_width(g) - 1 - sub_bits;
    return static_cast<std::size_t>(power) * per_power + (g >> power) - per_power;
  }
  /// The shortest gap of a bin.
  static Ticks floor_of(std::size_t bin) {
    return static_cast<Ticks>(per_power + bin % per_power) << (bin / per_power);
  }
  std::int64_t& bin(std::size_t i) {
    if (i - first_ >= bins_.size()) make_room(i);
    return bins_[i - first_];
  }
  /// `many` gaps, of which each of `count` sequences has some that take `time` together.
  void add_sums(std::int64_t many, Ticks longest, Ticks time, std::int64_t count) {
    count_ += many;
    longest_ = std::max(longest_, longest);
    sum_ += static_cast<Wide>(time) * static_cast<Wide>(count);
  }
  void make_room(std::size_t bin);
  void spread(const StepRun& run, std::int64_t from, std::int64_t to, std::int64_t count);

  std::int64_t count_ = 0;
  Ticks longest_ = 0;
  Wide sum_ = 0;
  std::size_t first_ = 0;           ///< index of the first bin that is kept, a whole power of two
  std::vector<std::int64_t> bins_;  ///< from the first to the last power of two that occurs
};

/// Inter-token latency: the gaps between the emissions of a sequence, by when they end. A gap is
/// one step's time, or longer where a prompt, a preemption or a lack of room kept the sequence from
/// emitting; the time to the first token is none. With drafts what one step emits comes at once.
///
/// The time is divided into up to 128 equal slices, of the smallest power of two of ticks that
/// covers the run, so that a part of the run can be asked for when it is over.
class TokenGaps {
 public:
  void add(Ticks end, Ticks gap, std::int64_t count) { slice(end).add(gap, count); }
  void add(const StepRun& run, std::int64_t from, std::int64_t to, std::int64_t count) {
    if (from >= to) return;
    GapHistogram& here = slice(run.end(to));  // first: it may widen the slices
    if (run.end(from + 1) >> width_ == run.end(to) >> width_) {
      here.add(run, from, to, count);
    } else {
      divide(run, from, to, count);
    }
  }
  TokenGaps& operator+=(const TokenGaps& o);

  /// Of the slices that lie between two times, or, where none does, of those that touch them.
  GapHistogram between(Ticks from, Ticks to) const;

  bool operator==(const TokenGaps&) const = default;

 private:
  GapHistogram& slice(Ticks end) {
    const auto i = static_cast<std::size_t>(end >> width_);
    return i < slices_.size() ? slices_[i] : new_slice(end);
  }
  GapHistogram& new_slice(Ticks end);
  void cover(Ticks end);
  void divide(const StepRun& run, std::int64_t from, std::int64_t to, std::int64_t count);

  int width_ = 36;  ///< of a slice: 2^width_ ticks, at first 69 ms
  std::vector<GapHistogram> slices_;
};

/// When the decoding sequences of a rank emitted last: most of them together, in the last step that
/// decoded.
class LastEmissions {
 public:
  /// A sequence decodes from now on, as the `decoders`-th besides those that do; it emitted at
  /// `at`.
  void join(std::int32_t sequence, Ticks at, std::int64_t decoders) {
    if (decoders == 0) together_ = at;
    if (at != together_) apart_.emplace_back(sequence, at);
  }
  /// A sequence decodes no longer; when it emitted.
  Ticks leave(std::int32_t sequence);
  /// All `decoders` emit at `end`.
  void emit(Ticks end, std::int64_t decoders, TokenGaps& gaps) {
    for (const auto& [sequence, at] : apart_) gaps.add(end, end - at, 1);
    const std::int64_t rest = decoders - static_cast<std::int64_t>(apart_.size());
    if (rest > 0) gaps.add(end, end - together_, rest);
    apart_.clear();
    together_ = end;
  }
  /// All of them emit at the end of each step of a run.
  void emit(const StepRun& run, std::int64_t steps, std::int64_t decoders, TokenGaps& gaps) {
    const bool even = apart_.empty() && together_ == run.start;
    if (!even) emit(run.end(1), decoders, gaps);
    gaps.add(run, even ? 0 : 1, steps, decoders);
    together_ = run.end(steps);
  }

 private:
  Ticks together_ = 0;
  std::vector<std::pair<std::int32_t, Ticks>> apart_;  ///< those that emitted at other times
};

}  // namespace tollgate
