#include <algorithm>

#include "sim/serving/engine/rank_scheduler.h"

// The decode side of a disaggregated pair as SGLang has it (disaggregation/decode.py): room is
// given before the prompt is computed, the first token comes with the cache, and a sequence that is
// retracted keeps its cache in the host's memory. Not simulated: the time to load it from there,
// and that the last page of a chunk is sent while the next chunk is computed.

namespace tollgate {

/// Sequences that hold cache or will have some: what runs, what is under way, what waits to run.
std::int64_t RankScheduler::holders() const {
  return running_count_ + static_cast<std::int64_t>(parked_.size() + ready_.size());
}

/// Those that the table of requests has rows for (model_runner_kv_cache_mixin.py, pre_alloc_size).
std::int64_t RankScheduler::most_holders() const {
  const std::int64_t n = config_.max_sequences;
  return n <= 32 ? 3 * n : n;
}

/// resume_retracted_reqs
void RankScheduler::resume_retracted() {
  std::int64_t room = pool_.free() * block_ - config_.reserved_decode_tokens * holders();
  while (!retracted_.empty() && holders() < most_holders()) {
    const Waiting w = retracted_.front();
    const std::int64_t cache = input(w.request) + w.produced - 1;
    const std::int64_t need = cache + config_.reserved_decode_tokens;
    if (need > room) return;
    room -= need;
    retracted_.pop_front();
    const std::int32_t i = new_slot(w);
    slot(i).state = State::parked;
    slot(i).reserved = static_cast<std::int32_t>(blocks_for(cache + config_.draft_tokens));
    pool_.take(slot(i).reserved);
    ready_.push_back(i);
  }
}

/// pop_preallocated; false if the first in the queue may fit after another decode step.
bool RankScheduler::give_room(Ticks now) {
  while (!queue_.empty() && holders() < most_holders()) {
    const Waiting w = queue_.front();
    const std::int64_t free = pool_.free() * block_;
    const std::int64_t need = input(w.request) + config_.reserved_decode_tokens;
    std::int64_t kept = config_.reserved_decode_tokens * holders();
    if (need > free - kept) return true;
    // The last to run must be able to end while all others have been retracted.
    const auto whole = [&](std::int32_t r) {
      return input(r) + std::min<std::int64_t>(requests_.allowed(r), longest_reservation);
    };
    std::int64_t longest = 0;
    for (const Order& o : order_) {
      const Slot& s = slot(o.slot);
      if (s.stamp == o.stamp && s.state == State::decode) {
        longest = std::max(longest, whole(s.request));
      }
    }
    const std::int64_t retractable = decode_context_ + decoders_;
    kept = std::max(kept, longest - retractable);
    if (std::max(need, whole(w.request) - retractable) > free - kept) return false;
    queue_.pop();
    const std::int32_t i = new_slot(w);
    slot(i).state = State::parked;
    slot(i).reserved =
        static_cast<std::int32_t>(blocks_for(input(w.request) + config_.draft_tokens));
    pool_.take(slot(i).reserved);
    parked_.push_back({i, false});
    events_->push_back({EngineEvent::Kind::ready_to_receive, w.request, now});
  }
  return true;
}

/// pop_transferred
void RankScheduler::collect_received() {
  if (received_ == 0) return;
  for (const Parked& p : parked_) {
    if (p.received) ready_.push_back(p.slot);
  }
  std::erase_if(parked_, [](const Parked& p) { return p.received; });
  received_ = 0;
}

/// A sequence whose cache is here joins the running ones (get_new_prebuilt_batch); its first token
/// is passed on.
void RankScheduler::join_ready(const EmissionClock& clock, Ticks now) {
  auto at = ready_.begin();
  if (queue_.by_priority()) {
    at = std::min_element(ready_.begin(), ready_.end(), [&](std::int32_t a, std::int32_t b) {
      return queue_.urgency(slot(a).request) < queue_.urgency(slot(b).request);
    });
  }
  const std::int32_t i = *at;
  ready_.erase(at);
  Slot& s = slot(i);
  const auto r = static_cast<std::size_t>(s.request);
  if (s.produced == 0) {
    s.produced = 1;
    s.emitted_at = now;
    outcome_.first[r] = now;
  }
  log(StepEvent::Kind::admitted, s.request);
  const std::int32_t left = output(s.request) - s.produced;
  if (left == 0) {
    log(StepEvent::Kind::finished, s.request);
    outcome_.last[r] = now;
    events_->push_back({EngineEvent::Kind::finished, s.request, now});
    pool_.release(-1, 0, s.reserved);
    drop_slot(i);
    // The next turn of the loop may give its room and its place away.
    preempted_ |= has_waiting();
    return;
  }
  s.stamp = ++stamps_;
  order_.push_back({s.stamp, i});
  ++running_count_;
  s.computed = input(s.request) + s.produced - 1;
  s.end = clock.steps() + (config_.sample_acceptance ? sampler_.steps(s.request, s.produced, left)
                                                     : clock.steps_to_reach(clock.now() + left));
  begin_decoding(i, clock.now());
}

void RankScheduler::receive_sglang(const EmissionClock& clock, Ticks now) {
  resume_retracted();
  if (retracted_.empty()) {
    retry_ = !give_room(now);
    collect_received();
  } else if (running_count_ == 0 && ready_.empty()) {
    // SGLang leaves them where they are, and would wait for ever.
    collect_received();
  }
  for (std::int64_t n = config_.max_sequences - running_count_; n > 0 && !ready_.empty(); --n) {
    join_ready(clock, now);
  }
}

}  // namespace tollgate
