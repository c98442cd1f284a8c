#include <algorithm>

#include "sim/serving/engine/rank_scheduler.h"

namespace tollgate {

std::int64_t RankScheduler::still_allowed(std::int32_t request, std::int64_t produced) const {
  const std::int64_t allowed = role_ == EngineRole::prefill ? 1 : requests_.allowed(request);
  return std::min(std::max<std::int64_t>(allowed - produced, 0), longest_reservation);
}

/// Lets decoding sequences run beside the prompts of the step.
void RankScheduler::mix_sglang(const EmissionClock& clock) {
  const std::int64_t need = blocks_needed(clock.now(), clock.after(1));
  if (config_.mixed_chunk && decoders_ > 0 && need <= pool_.free()) {
    pool_.take(need);
    decodes_ = true;
  }
}

void RankScheduler::decode_sglang(const EmissionClock& clock) {
  const std::int64_t now = clock.now(), next = clock.after(1);
  if (decoders_ == 0) {
    // An empty batch is not full.
    preempted_ |= role_ == EngineRole::both && full_ && has_waiting();
    full_ = shrunk_ = false;
    return;
  }
  if (shrunk_) {
    retry_ |= full_ && has_waiting();
    full_ = shrunk_ = false;
  }
  std::int64_t need = blocks_needed(now, next);
  if (need > pool_.free()) {
    retract(clock);
    need = blocks_needed(now, next);
    if (need > pool_.free() && holders() > running_count_) {
      // What is under way holds the rest of the cache and cannot be retracted.
      while (decoders_ > 0) preempt(last_decoding(), clock);
      return;
    }
    if (need > pool_.free()) {
      stall_decoding(now);
      decodes_ = true;
      return;
    }
  } else {
    pass_decode_steps(1);
  }
  pool_.take(need);
  decodes_ = true;
}

std::int32_t RankScheduler::last_decoding() const {
  const auto at = std::find_if(order_.rbegin(), order_.rend(), [&](const Order& o) {
    return slot(o.slot).stamp == o.stamp && slot(o.slot).state == State::decode;
  });
  return at->slot;
}

/// Leaves all decoding sequences out of the step.
void RankScheduler::stall_decoding(std::int64_t now) {
  for (const Order& o : order_) {
    if (slot(o.slot).stamp != o.stamp || slot(o.slot).state != State::decode) continue;
    stop_decoding(o.slot, now);
    slot(o.slot).state = State::stalled;
    stalled_.push_back(o.slot);
  }
}

/// The ratio shrinks with every decode step; what ended in the meantime makes the batch not full.
void RankScheduler::pass_decode_steps(std::int64_t steps) {
  ratio_ = std::max(least_token_ratio(config_), ratio_ - steps * token_ratio_decay(config_));
  if (shrunk_) full_ = shrunk_ = false;
}

/// One more chunk of the prompt that is cut; false if there is no room for it.
bool RankScheduler::continue_chunked(std::int64_t tokens_left, RankBatch& batch) {
  const Slot& s = slot(partial_);
  const std::int64_t target = input(s.request) + s.produced;
  std::int64_t tokens = std::min(target - s.computed, tokens_left);
  const auto need = [&] {
    const std::int64_t after = s.computed + tokens;
    return blocks_for(after == target ? after + config_.draft_tokens : after) -
           blocks_for(s.computed);
  };
  if (need() > pool_.free()) {
    tokens = (blocks_for(s.computed) + pool_.free()) * block_ - s.computed - config_.draft_tokens;
  }
  if (tokens <= 0) return false;
  pool_.take(need());
  compute(partial_, tokens, batch);
  return true;
}

void RankScheduler::prefill_sglang(std::int64_t now, RankBatch& batch) {
  std::int64_t promised = 0;
  for (const Order& o : order_) {
    const Slot& s = slot(o.slot);
    if (s.stamp == o.stamp && s.state == State::decode) {
      promised += still_allowed(s.request, emitted(s, now));
    }
  }
  const std::int64_t mixed = config_.mixed_chunk ? decoders_ : 0;
  std::int64_t room = pool_.free() * block_ - (promised * ratio_ >> 30) - mixed;
  std::int64_t tokens_left = config_.batched_tokens - mixed, chunk_left = config_.chunk - mixed;
  const auto spend = [&](const Slot& s, std::int64_t tokens, std::int64_t free_before) {
    const bool whole = s.computed == input(s.request) + s.produced;
    room -= (free_before - pool_.free()) * block_;
    if (whole) room -= still_allowed(s.request, s.produced);
    tokens_left -= tokens;
    chunk_left -= tokens;
  };
  if (partial_ >= 0) {
    const std::int32_t i = partial_;
    const std::int64_t before = slot(i).computed, free = pool_.free();
    if (!continue_chunked(chunk_left, batch)) return;
    spend(slot(i), slot(i).computed - before, free);
  }
  while (partial_ < 0 && chunk_left > 0 && tokens_left > 0 && !queue_.empty()) {
    const auto pinned = static_cast<std::int64_t>(pinned_.size());
    if (running_count_ + pinned >= config_.max_sequences) {
      full_ = true;
      return;
    }
    const Waiting w = queue_.front();
    const std::int64_t target = input(w.request) + w.produced;
    const std::int32_t on = stream(w.request);
    const BlockPool::Match hit = pool_.match(on, std::min(target - 1, shared(w.request)) / block_);
    const std::int64_t extend = target - cached_tokens(w, hit);
    const std::int64_t fresh = target - hit.blocks * block_;
    const std::int64_t locked = (hit.blocks - hit.in_use) * block_;
    if (fresh + still_allowed(w.request, w.produced) + block_ + config_.draft_tokens >=
        room - locked) {
      full_ = true;
      return;
    }
    if (extend > tokens_left && !prompts_.empty()) return;
    const std::int64_t tokens = extend <= chunk_left ? extend : chunk_left / block_ * block_;
    if (tokens <= 0) return;
    queue_.pop();
    waiting_tokens_ -= input(w.request);
    const std::int64_t free = pool_.free();
    const std::int32_t i = start_sequence(w, hit);
    const Slot& s = slot(i);
    pool_.take(blocks_for(tokens == extend ? target + config_.draft_tokens : s.computed + tokens) -
               s.held);
    compute(i, tokens, batch);
    spend(slot(i), tokens, free);
  }
}

/// Takes decoding sequences out, those with the fewest generated tokens first and of these the ones
/// with the longest prompt, until there is room for some steps of the rest.
void RankScheduler::retract(const EmissionClock& clock) {
  const std::int64_t now = clock.now();
  compact_order();
  std::vector<std::int32_t> left;
  for (const Order& o : order_) {
    if (slot(o.slot).state == State::decode) left.push_back(o.slot);
  }
  std::stable_sort(left.begin(), left.end(), [&](std::int32_t a, std::int32_t b) {
    const std::int32_t ea = emitted(slot(a), now), eb = emitted(slot(b), now);
    if (ea != eb) return ea > eb;
    return input(slot(a).request) < input(slot(b).request);
  });
  const auto enough = [&] {
    return pool_.free() * block_ >= static_cast<std::int64_t>(left.size()) * retract_decode_steps;
  };
  for (bool first = true; left.size() > 1 && (first || !enough()); first = false) {
    preempt(left.back(), clock);
    left.pop_back();
  }
  std::int64_t generated = 0, allowed = 0;
  for (std::int32_t i : left) {
    generated += emitted(slot(i), now) + retract_decode_steps;
    allowed += requests_.allowed(slot(i).request);
  }
  ratio_ = std::min<std::int64_t>(std::int64_t{1} << 30, (generated << 30) / allowed);
  full_ = false;
  preempted_ = true;
}

}  // namespace tollgate
