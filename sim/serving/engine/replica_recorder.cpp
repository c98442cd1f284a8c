#include "sim/serving/engine/replica_recorder.h"

#include <string>
#include <utility>

#include "sim/base/error.h"

namespace tollgate {
namespace {

constexpr std::size_t most_samples = 10'000'000;

}  // namespace

void ReplicaRecorder::step(Ticks start, Ticks duration, std::span<const RankBatch> ranks,
                           const LoadSample& state) {
  StepRecord r;
  r.start = start;
  r.duration = duration;
  r.ranks.assign(ranks.begin(), ranks.end());
  r.running = state.running;
  r.waiting = state.waiting;
  r.blocks = state.blocks;
  r.events.swap(events_);
  into_->steps.push_back(std::move(r));
  open_ = true;
}

void ReplicaRecorder::close_step() {
  if (open_) {
    std::vector<StepEvent>& all = into_->steps.back().events;
    all.insert(all.end(), events_.begin(), events_.end());
  }
  open_ = false;
  events_.clear();
}

void ReplicaRecorder::tokens(std::size_t sample, std::int64_t prompt_tokens, std::int64_t emitted) {
  if (sample >= most_samples) {
    throw InputError("the interval between samples is too short: there would be more than " +
                     std::to_string(most_samples));
  }
  if (sample >= tokens_.size()) tokens_.resize(sample + 1);
  tokens_[sample].prompt += prompt_tokens;
  tokens_[sample].emitted += emitted;
}

void ReplicaRecorder::sample(const LoadSample& state) {
  into_->samples.push_back(state);
  if (into_->samples.size() > most_samples) tokens(most_samples, 0, 0);
}

void ReplicaRecorder::finish() {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    into_->samples[i].prompt_tokens = tokens_[i].prompt;
    into_->samples[i].tokens = tokens_[i].emitted;
  }
}

}  // namespace tollgate
