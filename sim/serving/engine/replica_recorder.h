#pragma once

#include <span>
#include <vector>

#include "sim/serving/engine/recording.h"

namespace tollgate {

/// Writes down what one replica does.
class ReplicaRecorder {
 public:
  /// Nothing is asked for.
  ReplicaRecorder() = default;
  ReplicaRecorder(const Recording& wanted, ReplicaRecord& into)
      : interval_(wanted.interval), steps_(wanted.steps), into_(&into) {}

  bool samples() const { return interval_ > 0; }
  /// Whether the next step is written down.
  bool takes_step() const {
    return into_ != nullptr && static_cast<std::int64_t>(into_->steps.size()) < steps_;
  }
  /// Where events of the step that is being decided or has just ended are collected.
  std::vector<StepEvent>* events() { return steps_ > 0 ? &events_ : nullptr; }

  /// A step has been decided.
  void step(Ticks start, Ticks duration, std::span<const RankBatch> ranks, const LoadSample& state);
  /// The step that was written down has ended.
  void close_step();

  /// Tokens of steps that ended at `end`; the sample that shows them, counted from 0.
  std::size_t sample_of(Ticks end) const {
    return static_cast<std::size_t>((end + interval_ - 1) / interval_ - 1);
  }
  Ticks time_of(std::size_t sample) const { return static_cast<Ticks>(sample + 1) * interval_; }
  void tokens(std::size_t sample, std::int64_t prompt_tokens, std::int64_t emitted);
  /// The next sample, without its tokens.
  void sample(const LoadSample& state);
  /// Puts the tokens into the samples, at the end.
  void finish();

 private:
  struct Tokens {
    std::int64_t prompt = 0, emitted = 0;
  };
  Ticks interval_ = 0;
  std::int64_t steps_ = 0;
  ReplicaRecord* into_ = nullptr;
  bool open_ = false;  ///< the last step written down has not ended
  std::vector<StepEvent> events_;
  std::vector<Tokens> tokens_;
};

/// When samples are due, between the events of a simulation.
class SampleClock {
 public:
  explicit SampleClock(const Recording* recording)
      : interval_(recording == nullptr ? 0 : recording->interval) {}

  /// Calls take(time) for all samples due before `time`.
  template <class Take>
  void before(Ticks time, Take take) {
    if (interval_ == 0) return;
    while (taken_ * interval_ < time - interval_) take(++taken_ * interval_);
  }
  /// Calls take(time) up to the first sample at or after `end`.
  template <class Take>
  void to_end(Ticks end, Take take) {
    if (interval_ == 0) return;
    while (taken_ * interval_ < end) take(++taken_ * interval_);
  }

 private:
  Ticks interval_;
  std::int64_t taken_ = 0;
};

}  // namespace tollgate
