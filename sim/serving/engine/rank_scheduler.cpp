#include "sim/serving/engine/rank_scheduler.h"

#include <algorithm>

namespace tollgate {

RankScheduler::RankScheduler(const SchedulerConfig& config, EngineRole role,
                             const RequestTable& requests, Outcome& outcome,
                             std::vector<EngineEvent>* events, bool extremes, std::int64_t horizon)
    : config_(config),
      role_(role),
      requests_(requests),
      outcome_(outcome),
      events_(events),
      extremes_(extremes),
      block_(config.block_tokens),
      pool_(config.blocks, config.block_tokens, config.prefix_cache && role != EngineRole::decode,
            requests, config.host_blocks),
      sampler_(config.tokens_per_step, config.draft_tokens, config.seed),
      calendar_(horizon + 2),
      queue_(requests, outcome.arrival, config.by_priority),
      at_offset_(static_cast<std::size_t>(config.block_tokens), 0),
      ratio_(initial_token_ratio(config)) {}

/// Decoding sequences that take a block when the clock passes `tick`. A sequence always has room
/// for its context and for its drafts.
std::int64_t RankScheduler::at_tick(std::int64_t tick) const {
  return at_offset_[offset(-tick - config_.draft_tokens)];
}

std::int64_t RankScheduler::blocks_needed(std::int64_t from_clock, std::int64_t to_clock) const {
  if (reserves_all()) return 0;
  std::int64_t ticks = to_clock - from_clock, blocks = 0;
  if (ticks >= block_) {
    blocks = ticks / block_ * decoders_;
    ticks %= block_;
  }
  for (std::int64_t i = 0; i < ticks; ++i) blocks += at_tick(from_clock + i);
  return blocks;
}

std::int32_t RankScheduler::new_slot(const Waiting& w) {
  if (spare_slots_.empty()) {
    spare_slots_.push_back(static_cast<std::int32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::int32_t i = spare_slots_.back();
  spare_slots_.pop_back();
  Slot fresh;
  fresh.request = w.request;
  fresh.produced = w.produced;
  fresh.emitted_at = w.emitted_at;
  slot(i) = fresh;
  return i;
}

void RankScheduler::drop_slot(std::int32_t i) {
  slot(i).state = State::none;
  slot(i).stamp = -1;
  spare_slots_.push_back(i);
}

void RankScheduler::received(std::int32_t request) {
  for (Parked& p : parked_) {
    if (slot(p.slot).request == request) p.received = true;
  }
  ++received_;
}

void RankScheduler::unpin(std::int32_t request) {
  const auto at = std::find_if(pinned_.begin(), pinned_.end(),
                               [&](std::int32_t i) { return slot(i).request == request; });
  free_cache(slot(*at), slot(*at).computed);
  drop_slot(*at);
  pinned_.erase(at);
}

/// Frees the cache of a sequence. What it generated on its stream is cached from now on, as long as
/// nobody else has put it there.
void RankScheduler::free_cache(Slot& s, std::int64_t computed) {
  const std::int32_t on = stream(s.request);
  if (config_.prefix_cache && role_ != EngineRole::decode && on >= 0 && !s.sealed) {
    const std::int64_t known = input(s.request) + output(s.request) - 1;
    const std::int64_t filled = std::min({shared(s.request), computed, known}) / block_;
    if (filled > s.held && !pool_.cached(on, s.held)) {
      pool_.extend(on, s.held, filled);
      s.held = static_cast<std::int32_t>(filled);
    }
  }
  pool_.release(on, s.held, s.reserved - s.held);
}

void RankScheduler::release_finished() {
  for (std::int32_t i : due_) {
    --running_count_;
    if (role_ == EngineRole::prefill) {
      slot(i).state = State::pinned;
      pinned_.push_back(i);
    } else {
      free_cache(slot(i), slot(i).computed);
      drop_slot(i);
    }
  }
  shrunk_ |= !due_.empty();
  due_.clear();
  due_.swap(later_);
}

void RankScheduler::begin_decoding(std::int32_t i, std::int64_t now) {
  Slot& s = slot(i);
  s.state = State::decode;
  s.base = s.computed - now;
  calendar_.insert(s.end, i, s.next);
  emissions_.join(i, s.emitted_at, decoders_);
  ++decoders_;
  decode_context_ += s.computed;
  ++at_offset_[offset(s.base)];
}

/// Leaves its context in `computed`.
void RankScheduler::stop_decoding(std::int32_t i, std::int64_t now) {
  Slot& s = slot(i);
  s.computed = static_cast<std::int32_t>(context_of(s, now));
  s.emitted_at = emissions_.leave(i);
  --decoders_;
  decode_context_ -= s.computed;
  --at_offset_[offset(s.base)];
  calendar_.remove(s.end, i, [&](std::int32_t j) -> std::int32_t& { return slot(j).next; });
}

void RankScheduler::preempt(std::int32_t i, const EmissionClock& clock) {
  const std::int64_t now = clock.now();
  Slot& s = slot(i);
  std::int32_t produced = s.produced;
  if (s.state == State::decode) {
    produced = emitted(s, now);
    stop_decoding(i, now);
    const std::int64_t ahead = s.served ? clock.after(1) - now : 0;
    s.reserved = static_cast<std::int32_t>(blocks_for(s.computed + ahead + config_.draft_tokens));
  } else {
    partial_ = -1;
    s.reserved = static_cast<std::int32_t>(blocks_for(s.computed));
  }
  const std::int32_t computed = s.computed;
  log(StepEvent::Kind::preempted, s.request);
  free_cache(s, computed);
  waiting_tokens_ += input(s.request);
  if (is_sglang_decoder()) {
    retracted_.push_back({s.request, produced, s.emitted_at});
  } else if (config_.policy == SchedulerPolicy::sglang) {
    queue_.push_back({s.request, produced, s.emitted_at});
  } else {
    queue_.push_front({s.request, produced, s.emitted_at});
  }
  drop_slot(i);
  --running_count_;
  preempted_ = true;
  ++counters_.preemptions;
  if (!is_sglang_decoder()) counters_.recomputed += computed;
}

/// Throws out a sequence whose last token is on the way: it ends without its cache.
void RankScheduler::release_early(std::int32_t i) {
  due_.erase(std::find(due_.begin(), due_.end(), i));
  log(StepEvent::Kind::preempted, slot(i).request);
  free_cache(slot(i), slot(i).computed);
  drop_slot(i);
  --running_count_;
  preempted_ = true;
  ++counters_.preemptions;
}

void RankScheduler::compact_order() {
  std::erase_if(order_, [&](const Order& o) { return slot(o.slot).stamp != o.stamp; });
}

/// Not every decoding sequence can have the block it needs: from the first admitted on each takes
/// its own, and throws out the last admitted while there is none, a prompt in chunks before all.
void RankScheduler::run_short(const EmissionClock& clock) {
  const std::int64_t now = clock.now(), emitted = clock.after(1) - now;
  compact_order();
  for (std::size_t k = 0; k < order_.size(); ++k) {
    const std::int32_t i = order_[k].slot;
    if (slot(i).state == State::finishing) continue;
    const std::int64_t has = context_of(slot(i), now) + config_.draft_tokens;
    const std::int64_t need = blocks_for(has + emitted) - blocks_for(has);
    bool itself = false;
    while (!itself && pool_.free() < need) {
      const std::int32_t victim = order_.back().slot;
      order_.pop_back();
      if (slot(victim).state == State::finishing) {
        release_early(victim);
      } else {
        preempt(victim, clock);
        itself = victim == i;
      }
    }
    if (itself) break;
    pool_.take(need);
  }
  preempted_ = true;
}

std::int32_t RankScheduler::least_urgent() const {
  std::int32_t least = -1;
  const auto urgency = [&](std::int32_t i) { return queue_.urgency(slot(i).request); };
  for (const Order& o : order_) {
    if (slot(o.slot).stamp != o.stamp) continue;
    if (least < 0 || urgency(o.slot) > urgency(least)) least = o.slot;
  }
  return least;
}

/// Throws out the least urgent until `blocks` are free; false if that was sequence i itself.
bool RankScheduler::make_room_by_priority(std::int32_t i, std::int64_t blocks,
                                          const EmissionClock& clock) {
  while (pool_.free() < blocks) {
    const std::int32_t victim = least_urgent();
    if (slot(victim).state == State::finishing) {
      release_early(victim);
      continue;
    }
    preempt(victim, clock);
    if (victim == i) return false;
  }
  return true;
}

/// As run_short, but the least urgent goes first, wherever it stands and even if it was served
/// already. If that is the very sequence that lacks a block, those behind it are left out of the
/// step.
void RankScheduler::run_short_by_priority(const EmissionClock& clock, RankBatch& batch) {
  const std::int64_t now = clock.now(), ahead = clock.after(1) - now;
  compact_order();
  const std::vector<Order> walk = order_;
  for (const Order& o : walk) slot(o.slot).served = false;
  bool stopped = false;
  for (const Order& o : walk) {
    const std::int32_t i = o.slot;
    if (slot(i).stamp != o.stamp || slot(i).state == State::finishing) continue;
    if (i == partial_) {
      std::int64_t budget = config_.batched_tokens - decoders_ * (1 + config_.draft_tokens);
      if (!stopped) continue_partial(clock, budget, batch);
    } else if (stopped) {
      stop_decoding(i, now);
      slot(i).state = State::stalled;
      stalled_.push_back(i);
    } else {
      const std::int64_t has = context_of(slot(i), now) + config_.draft_tokens;
      const std::int64_t need = blocks_for(has + ahead) - blocks_for(has);
      stopped = !make_room_by_priority(i, need, clock);
      if (stopped) continue;
      pool_.take(need);
      slot(i).served = true;
    }
  }
  preempted_ = true;
}

void RankScheduler::abandon_step(const EmissionClock& clock) {
  for (std::int32_t i : stalled_) begin_decoding(i, clock.now());
  stalled_.clear();
  // SGLang forgets the ratio when the whole engine idles.
  if (decoders_ == 0) ratio_ = initial_token_ratio(config_);
}

void RankScheduler::register_prompt(Slot& s) {
  const std::int32_t on = stream(s.request);
  if (!config_.prefix_cache || role_ == EngineRole::decode || on < 0 || s.sealed) return;
  const std::int64_t filled = std::min<std::int64_t>(shared(s.request), s.computed) / block_;
  if (filled <= s.held) return;
  if (pool_.cached(on, s.held)) {
    // Somebody who ended in the meantime has left the same block.
    s.sealed = true;
    return;
  }
  pool_.extend(on, s.held, filled);
  s.held = static_cast<std::int32_t>(filled);
}

std::int64_t RankScheduler::cached_tokens(const Waiting& w, const BlockPool::Match& hit) const {
  const std::int64_t found = (hit.blocks + hit.host) * block_;
  if (requests_.cached.empty() || role_ == EngineRole::decode) return found;
  // The last token of a prompt is always computed.
  const std::int32_t stated = requests_.cached[static_cast<std::size_t>(w.request)];
  return std::max<std::int64_t>(found, std::min(stated, input(w.request) - 1));
}

/// A sequence that runs from now on, with what the cache has of it.
std::int32_t RankScheduler::start_sequence(const Waiting& w, const BlockPool::Match& hit) {
  const std::int32_t i = new_slot(w);
  Slot& s = slot(i);
  pool_.acquire(stream(w.request), hit.blocks);
  pool_.load(stream(w.request), hit.blocks, hit.host);
  loaded_ += hit.host * block_;
  counters_.loaded_tokens += hit.host * block_;
  s.held = static_cast<std::int32_t>(hit.blocks + hit.host);
  s.sealed = hit.more;
  s.computed = static_cast<std::int32_t>(cached_tokens(w, hit));
  s.state = State::prefill;
  s.stamp = ++stamps_;
  order_.push_back({s.stamp, i});
  ++running_count_;
  log(StepEvent::Kind::admitted, w.request);
  counters_.prompt_tokens += input(w.request) + w.produced;
  counters_.cached_tokens += s.computed;
  return i;
}

void RankScheduler::compute(std::int32_t i, std::int64_t tokens, RankBatch& batch) {
  Slot& s = slot(i);
  batch.prefill_tokens += tokens;
  batch.prefill_context += tokens * s.computed + tokens * (tokens + 1) / 2;
  batch.prefill_before += s.computed;
  ++batch.prefill_requests;
  s.computed += static_cast<std::int32_t>(tokens);
  register_prompt(s);
  prompts_.push_back(i);
  if (s.computed == input(s.request) + s.produced) {
    ++batch.prompts_finished;
    partial_ = -1;
  } else {
    partial_ = i;
  }
}

void RankScheduler::continue_partial(const EmissionClock& clock, std::int64_t& budget,
                                     RankBatch& batch) {
  Slot& s = slot(partial_);
  const std::int64_t target = input(s.request) + s.produced;
  const std::int64_t tokens = std::min(target - s.computed, budget);
  if (tokens <= 0) return;
  if (!reserves_all()) {
    const std::int64_t after = s.computed + tokens;
    const std::int64_t need =
        blocks_for(after == target ? after + config_.draft_tokens : after) - blocks_for(s.computed);
    if (need > pool_.free() && queue_.by_priority()) {
      for (const Order& o : order_) slot(o.slot).served = true;
      if (!make_room_by_priority(partial_, need, clock)) return;
    } else if (need > pool_.free()) {
      // It is the last admitted, so that it makes room for itself only.
      preempt(partial_, clock);
      return;
    }
    pool_.take(need);
  }
  compute(partial_, tokens, batch);
  budget -= tokens;
}

bool RankScheduler::admit_received(std::int64_t& budget, RankBatch& batch) {
  const auto at =
      std::find_if(parked_.begin(), parked_.end(), [](const Parked& p) { return p.received; });
  if (at == parked_.end()) return false;
  const std::int32_t i = at->slot;
  parked_.erase(at);
  --received_;
  Slot& s = slot(i);
  s.state = State::prefill;
  s.stamp = ++stamps_;
  s.computed = input(s.request) - 1;
  order_.push_back({s.stamp, i});
  ++running_count_;
  log(StepEvent::Kind::admitted, s.request);
  compute(i, 1, batch);
  --budget;
  return true;
}

bool RankScheduler::admit_next(std::int64_t& budget, RankBatch& batch, Ticks now) {
  if (budget <= 0 || running_count_ >= config_.max_sequences) return false;
  if (received_ > 0) return admit_received(budget, batch);
  if (queue_.empty()) return false;
  const Waiting w = queue_.front();
  const std::int64_t target = input(w.request) + w.produced;
  const std::int64_t whole =
      reserves_all() ? blocks_for(input(w.request) +
                                  std::max(requests_.allowed(w.request), output(w.request)) +
                                  config_.draft_tokens)
                     : blocks_for(target + config_.draft_tokens);
  const std::int32_t on = stream(w.request);
  const BlockPool::Match hit = pool_.match(on, std::min(target - 1, shared(w.request)) / block_);
  if (whole - hit.in_use > pool_.free()) return false;
  if (config_.whole_prompts && target - cached_tokens(w, hit) > budget && !prompts_.empty()) {
    return false;
  }

  queue_.pop();
  waiting_tokens_ -= input(w.request);
  if (role_ == EngineRole::decode && w.produced == 0) {
    const std::int32_t i = new_slot(w);
    Slot& s = slot(i);
    pool_.take(whole);
    s.state = State::parked;
    s.reserved = static_cast<std::int32_t>(whole);
    parked_.push_back({i, false});
    events_->push_back({EngineEvent::Kind::ready_to_receive, w.request, now});
    return true;
  }
  const std::int32_t i = start_sequence(w, hit);
  Slot& s = slot(i);
  const std::int64_t tokens = std::min(target - s.computed, budget);
  const bool all = reserves_all() || s.computed + tokens == target;
  if (reserves_all()) s.reserved = static_cast<std::int32_t>(whole);
  pool_.take((all ? whole : blocks_for(s.computed + tokens)) - s.held);
  compute(i, tokens, batch);
  budget -= tokens;
  return true;
}

void RankScheduler::schedule_vllm(const EmissionClock& clock, Ticks now, bool hold,
                                  RankBatch& batch) {
  const std::int64_t need = blocks_needed(clock.now(), clock.after(1));
  if (need > pool_.free()) {
    if (queue_.by_priority()) {
      run_short_by_priority(clock, batch);
    } else {
      run_short(clock);
    }
    return;
  }
  pool_.take(need);
  std::int64_t budget = config_.batched_tokens - decoders_ * (1 + config_.draft_tokens);
  if (partial_ >= 0) continue_partial(clock, budget, batch);
  if (preempted_ || hold) return;
  while (admit_next(budget, batch, now)) {
  }
}

bool RankScheduler::begin_schedule(const EmissionClock& clock, Ticks now, RankBatch& batch) {
  batch = {};
  preempted_ = false;
  loaded_ = 0;
  prompts_.clear();
  if (config_.policy != SchedulerPolicy::sglang) return false;
  decodes_ = retry_ = false;
  if (role_ == EngineRole::decode) {
    receive_sglang(clock, now);
    return false;
  }
  if (role_ == EngineRole::prefill) full_ = false;
  if (partial_ >= 0 || (!full_ && has_waiting())) prefill_sglang(clock.now(), batch);
  return !prompts_.empty();
}

void RankScheduler::end_schedule(const EmissionClock& clock, Ticks now, bool idle, bool hold,
                                 RankBatch& batch) {
  if (config_.policy != SchedulerPolicy::sglang) {
    schedule_vllm(clock, now, hold, batch);
  } else if (!prompts_.empty()) {
    mix_sglang(clock);
  } else if (!idle) {
    decode_sglang(clock);
  }
  if (order_.size() > static_cast<std::size_t>(4 * running_count_ + 1024)) compact_order();
  if (!decodes_) return;
  batch.decode_sequences = decoders_;
  batch.decode_context = decode_context_;
  if (extremes_ && decoders_ > 0) fill_extremes(batch, clock.now());
}

void RankScheduler::fill_extremes(RankBatch& batch, std::int64_t now) const {
  batch.decode_shortest = never;
  for (const Order& o : order_) {
    const Slot& s = slot(o.slot);
    if (s.stamp != o.stamp || s.state != State::decode) continue;
    const std::int64_t context = context_of(s, now);
    batch.decode_longest = std::max(batch.decode_longest, context);
    batch.decode_shortest = std::min(batch.decode_shortest, context);
  }
}

void RankScheduler::finish(std::int32_t i, std::int64_t computed, Ticks end) {
  Slot& s = slot(i);
  s.state = State::finishing;
  s.computed = static_cast<std::int32_t>(computed);
  if (!reserves_all()) {
    s.reserved = static_cast<std::int32_t>(blocks_for(computed + config_.draft_tokens));
  }
  log(StepEvent::Kind::finished, s.request);
  if (role_ != EngineRole::prefill) outcome_.last[static_cast<std::size_t>(s.request)] = end;
  if (events_ != nullptr) events_->push_back({EngineEvent::Kind::finished, s.request, end});
  (config_.async ? later_ : due_).push_back(i);
}

void RankScheduler::prompt_done(std::int32_t i, const EmissionClock& before, Ticks end,
                                TokenGaps& gaps) {
  const std::int64_t now = decodes_ ? before.after(1) : before.now();
  Slot& s = slot(i);
  Ticks& first = outcome_.first[static_cast<std::size_t>(s.request)];
  if (role_ != EngineRole::prefill && first < 0) first = end;
  if (s.produced > 0) gaps.add(end, end - s.emitted_at, 1);
  s.emitted_at = end;
  ++s.produced;
  const std::int32_t left = output(s.request) - s.produced;
  if (left <= 0) {
    finish(i, s.computed, end);
    return;
  }
  s.end = config_.sample_acceptance
              ? before.steps() + decodes_ + sampler_.steps(s.request, s.produced, left)
              : before.steps() + before.steps_to_reach(now + left);
  begin_decoding(i, now);
}

/// Ends the sequences whose last token comes with `step`, after which the clock shows `to_clock`.
void RankScheduler::drain(std::int64_t step, std::int64_t to_clock, Ticks end) {
  ended_.clear();
  for (std::int32_t i = calendar_.take(step); i >= 0; i = slot(i).next) ended_.push_back(i);
  if (ended_.size() > 1) {
    std::sort(ended_.begin(), ended_.end(),
              [&](std::int32_t a, std::int32_t b) { return slot(a).stamp < slot(b).stamp; });
  }
  for (std::int32_t i : ended_) {
    const std::int64_t computed = context_of(slot(i), to_clock);
    --decoders_;
    decode_context_ -= computed;
    --at_offset_[offset(slot(i).base)];
    finish(i, computed, end);
  }
}

void RankScheduler::finish_step(const EmissionClock& before, Ticks end, TokenGaps& gaps) {
  const std::int64_t from = before.now(), to = decodes_ ? before.after(1) : from;
  decode_context_ += decoders_ * (to - from);
  if (decodes_) emissions_.emit(end, decoders_, gaps);
  // Results are taken in the order of the batch: SGLang puts prompts before what decodes.
  const bool prompts_first = config_.policy == SchedulerPolicy::sglang;
  if (decodes_ && !prompts_first) drain(before.steps() + 1, to, end);
  for (std::int32_t i : prompts_) {
    const Slot& s = slot(i);
    if (s.computed == input(s.request) + s.produced) prompt_done(i, before, end, gaps);
  }
  if (decodes_ && prompts_first) drain(before.steps() + 1, to, end);
  for (std::int32_t i : stalled_) {
    Slot& s = slot(i);
    const std::int64_t left = output(s.request) - (s.computed - input(s.request) + 1);
    s.end =
        config_.sample_acceptance ? s.end + 1 : before.steps() + before.steps_to_reach(to + left);
    begin_decoding(i, to);
  }
  stalled_.clear();
}

std::int64_t RankScheduler::run_limit(const EmissionClock& clock) const {
  if (decoders_ == 0) return never;
  if (retry_) return 1;
  const std::int64_t next = clock.after(1);
  const std::int64_t to_end = calendar_.ahead(clock.steps());
  if (blocks_needed(next, clock.after(to_end)) <= pool_.free()) return to_end;
  std::int64_t free = pool_.free();
  std::int64_t ticks = free / decoders_ * block_;
  free %= decoders_;
  for (std::int64_t need; (need = at_tick(next + ticks)) <= free; ++ticks) free -= need;
  return clock.steps_within(next + ticks);
}

void RankScheduler::finish_run(const EmissionClock& before, const StepRun& run, std::int64_t steps,
                               TokenGaps& gaps) {
  const std::int64_t from = before.now(), to = before.after(steps);
  if (steps > 1) {
    release_finished();
    pool_.take(blocks_needed(before.after(1), to));
    if (config_.policy == SchedulerPolicy::sglang) {
      pass_decode_steps(decoders_ > 0 ? steps - 1 : 0);
    }
  }
  decode_context_ += decoders_ * (to - from);
  emissions_.emit(run, steps, decoders_, gaps);
  // Nothing ends before the last step, by run_limit.
  drain(before.steps() + steps, to, run.end(steps));
}

}  // namespace tollgate
