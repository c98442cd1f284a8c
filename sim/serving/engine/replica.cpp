#include "sim/serving/engine/replica.h"

#include <algorithm>
#include <stdexcept>

#include "sim/base/error.h"

namespace tollgate {
namespace {

void check_step(Ticks start, Ticks duration) {
  if (duration <= 0)
    throw std::logic_error("the serving simulator is stuck: a step takes no time.");
  if (start > latest_end) {
    throw InputError("the requests take more than 80 days, beyond the simulator's clock");
  }
}

}  // namespace

Replica::Replica(const SchedulerConfig& config, EngineRole role, const StepTimer& timer,
                 const RequestTable& requests, Outcome& outcome, std::vector<EngineEvent>* events)
    : config_(config),
      timer_(timer),
      batches_(static_cast<std::size_t>(config.ranks)),
      clocks_(batches_.size(), EmissionClock(config.tokens_per_step)) {
  const std::int32_t longest =
      role == EngineRole::prefill || requests.output.empty()
          ? 1
          : *std::max_element(requests.output.begin(), requests.output.end());
  ranks_.reserve(batches_.size());
  for (int i = 0; i < config.ranks; ++i) {
    ranks_.emplace_back(config_, role, requests, outcome, events, timer.wants_extremes(),
                        longest + clocks_[0].most());
  }
  if (config.ranks > 1 && role != EngineRole::both) {
    rank_of_request_.resize(static_cast<std::size_t>(requests.size()));
  }
}

void Replica::place_next_point() {
  next_ = run_.course.end(config_.async ? run_.steps - 1 : run_.steps);
}

/// Something was delivered that may change what is decided at points from `at` on.
void Replica::cut(Ticks at) {
  const std::int64_t ended = run_.course.ended_before(at - run_.course.start, run_.steps);
  const std::int64_t decided = config_.async ? 1 + ended : ended;
  if (decided >= run_.steps) return;
  run_.steps = std::max<std::int64_t>(decided, 1);
  place_next_point();
}

void Replica::wake(Ticks at) {
  if (run_.steps > 0) {
    cut(at);
  } else if (next_ == never) {
    next_ = at;
  }
}

RankScheduler& Replica::rank_of(std::int32_t request) {
  return ranks_[static_cast<std::size_t>(rank_with(request))];
}

std::size_t Replica::pick_rank(Ticks at) {
  if (config_.rank_router == RankRouter::round_robin) return next_rank_++ % ranks_.size();
  const std::int64_t weight = config_.policy == SchedulerPolicy::vllm ? 4 : 1;
  const auto load = [&](const RankScheduler& r) { return weight * r.waiting() + running(r, at); };
  std::size_t best = 0;
  std::int64_t least = load(ranks_[0]);
  for (std::size_t i = 1; i < ranks_.size(); ++i) {
    const std::int64_t l = load(ranks_[i]);
    if (l < least) {
      least = l;
      best = i;
    }
  }
  return best;
}

void Replica::enqueue(std::int32_t request, Ticks at) {
  if (config_.receive_interval > 1 && next_ != never) {
    outside_.push_back(request);
  } else {
    hand_to_rank(request, at);
  }
}

void Replica::hand_to_rank(std::int32_t request, Ticks at) {
  const std::size_t to = ranks_.size() > 1 ? pick_rank(at) : 0;
  if (!rank_of_request_.empty()) {
    rank_of_request_[static_cast<std::size_t>(request)] = static_cast<std::int32_t>(to);
  }
  // Behind a request that has to wait for a sequence to end, nothing changes until then.
  const bool blocked = ranks_[to].has_waiting() && !ranks_[to].may_overtake();
  ranks_[to].enqueue(request);
  if (!blocked || run_.steps == 0 || longest_hold_ != never) wake(at);
}

/// SGLang looks for new requests at every receive_interval-th step that only decodes, after every
/// prefill batch, and all the time while it has nothing to do.
bool Replica::take_in() {
  if (outside_.empty()) return false;
  const bool idle = std::all_of(ranks_.begin(), ranks_.end(), [](const RankScheduler& r) {
    return r.running() == r.finishing();
  });
  if (!idle && since_receive_ < config_.receive_interval) return false;
  std::vector<std::int32_t> requests;
  requests.swap(outside_);
  for (const std::int32_t r : requests) hand_to_rank(r, next_);
  return true;
}

/// TensorRT-LLM: prompts wait for others (batch_wait, and balance of data-parallel attention).
bool Replica::hold_prompts() {
  longest_hold_ = never;
  if (config_.wait_steps == 0 && config_.balance_steps == 0) return false;
  const auto all = [&](auto condition) {
    return std::all_of(ranks_.begin(), ranks_.end(), condition);
  };
  if (config_.balance_steps > 0 && ranks_.size() > 1) {
    const bool pass = waited_ >= config_.balance_steps ||
                      all([](const RankScheduler& r) { return r.has_waiting() && r.has_room(); }) ||
                      !all([](const RankScheduler& r) { return r.decoding() > 0; });
    if (pass) waited_ = 0;
    longest_hold_ = config_.balance_steps - waited_;
    return !pass;
  }
  const RankScheduler& rank = ranks_.front();
  if (config_.wait_steps == 0 || rank.waiting_tokens() == 0 || rank.decoding() == 0) return false;
  if (waited_ >= config_.wait_steps ||
      rank.waiting_tokens() + rank.decoding() >= config_.wait_tokens) {
    waited_ = 0;
    return false;
  }
  longest_hold_ = config_.wait_steps - waited_;
  return true;
}

void Replica::received(std::int32_t request, Ticks at) {
  rank_of(request).received(request);
  wake(at);
}

void Replica::unpin(std::int32_t request, Ticks at) {
  rank_of(request).unpin(request);
  wake(at);
}

std::int64_t Replica::running(const RankScheduler& rank, Ticks at) const {
  // The second point of a run gives back the slots of what ended in the step before the run.
  return rank.running() - (run_.steps > 1 && run_.course.start < at ? rank.finishing() : 0);
}

std::int64_t Replica::load(Ticks at) const {
  std::int64_t sum = 0;
  for (const RankScheduler& r : ranks_) sum += 4 * r.waiting() + running(r, at);
  return sum;
}

EngineCounters Replica::counters() const {
  EngineCounters sum = counters_;
  for (const RankScheduler& r : ranks_) sum += r.counters();
  sum.end = end_;
  return sum;
}

void Replica::record(const Recording& wanted, ReplicaRecord& into) {
  recorder_ = ReplicaRecorder(wanted, into);
  into.total_blocks = config_.blocks * config_.ranks;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    ranks_[i].log_to(recorder_.events(), static_cast<int>(i));
  }
}

/// The state when `decided` steps of the run, if there is one, have been decided.
LoadSample Replica::state(std::int64_t decided) const {
  LoadSample s;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    s.running += ranks_[i].running();
    s.waiting += ranks_[i].waiting();
    s.blocks += ranks_[i].held_blocks(clocks_[i], decided);
  }
  return s;
}

void Replica::sample(Ticks at) {
  std::int64_t decided = 1;
  if (run_.steps > 1) {
    decided = run_.course.ended_before(at + 1 - run_.course.start, run_.steps);
    decided += config_.async ? 1 : 0;
    decided = std::clamp<std::int64_t>(decided, 1, run_.steps);
  }
  LoadSample s = state(decided);
  s.at = at;
  recorder_.sample(s);
}

void Replica::record_step(Ticks start, Ticks duration) {
  recorder_.step(start, duration, batches_, state(1));
}

void Replica::count_step_tokens() {
  std::int64_t prompt_tokens = 0, emitted = 0;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    const RankBatch& b = batches_[i];
    prompt_tokens += b.prefill_tokens;
    emitted += b.prompts_finished + b.decode_sequences * (clocks_[i].after(1) - clocks_[i].now());
  }
  recorder_.tokens(recorder_.sample_of(end_), prompt_tokens, emitted);
}

/// Divides the tokens of the run among the samples in which its steps end.
void Replica::count_run_tokens() {
  for (std::int64_t done = 0; done < run_.steps;) {
    const std::size_t sample = recorder_.sample_of(run_.course.end(done + 1));
    const Ticks beyond = recorder_.time_of(sample) + 1 - run_.course.start;
    const std::int64_t ended = run_.course.ended_before(beyond, run_.steps) - 1;
    const std::int64_t to = std::max(done + 1, ended);
    std::int64_t emitted = 0;
    for (std::size_t i = 0; i < ranks_.size(); ++i) {
      emitted += ranks_[i].decoders() * (clocks_[i].after(to) - clocks_[i].after(done));
    }
    recorder_.tokens(sample, 0, emitted);
    done = to;
  }
}

void Replica::open_run(Ticks now) {
  const Ticks start = config_.async ? std::max(now, end_) : now;
  run_.course = {start, timer_.decode(batches_), clocks_[0]};
  check_step(start, run_.course.line.first);
  // v may be at most `valid` before the last step of the run.
  const std::int64_t valid = std::min(run_.course.line.valid, std::int64_t{1} << 40);
  const EmissionClock& first = clocks_[0];
  std::int64_t steps = first.steps_within(first.now() + valid) + 1;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    steps = std::min(steps, ranks_[i].run_limit(clocks_[i]));
    const bool watched = ranks_[i].has_waiting() || recorder_.samples();
    if (watched && ranks_[i].has_finishing()) steps = 1;
  }
  if (recorder_.takes_step()) {
    steps = 1;
    record_step(start, run_.course.line.first);
  }
  if (config_.receive_interval > 1) {
    steps = std::min(steps, config_.receive_interval - since_receive_ % config_.receive_interval);
  }
  run_.steps = std::max<std::int64_t>(std::min(steps, longest_hold_), 1);
  place_next_point();
}

void Replica::finish_run() {
  end_ = run_.course.end(run_.steps);
  if (recorder_.samples()) count_run_tokens();
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    ranks_[i].finish_run(clocks_[i], run_.course, run_.steps, gaps_);
  }
  for (EmissionClock& c : clocks_) c.advance(run_.steps);
  counters_.steps += run_.steps;
  if (run_.blocked) counters_.blocked_steps += run_.steps;
  ++counters_.events;
  since_receive_ += run_.steps;
  if (longest_hold_ != never) waited_ += run_.steps;
  run_.steps = 0;
  recorder_.close_step();
}

Ticks Replica::loading_time() const {
  std::int64_t tokens = 0;
  for (const RankScheduler& r : ranks_) tokens = std::max(tokens, r.loaded_tokens());
  return tokens * config_.load_per_token;
}

/// Decides a step on all ranks, admitting nobody on `hold`; whether there is any work.
bool Replica::schedule(Ticks now, bool hold) {
  bool work = false, prompts = false;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    ranks_[i].release_finished();
    prompts |= ranks_[i].begin_schedule(clocks_[i], now, batches_[i]);
  }
  // SGLang agrees on prompts or decoding for all ranks where it speculates.
  const bool idle = prompts && config_.draft_tokens > 0;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    ranks_[i].end_schedule(clocks_[i], now, idle, hold, batches_[i]);
    work |= !batches_[i].empty();
  }
  return work;
}

void Replica::advance_clocks() {
  bool all = false;
  if (config_.draft_tokens > 0) {
    for (const RankScheduler& r : ranks_) all |= r.decodes();
  }
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    if (all || ranks_[i].decodes()) clocks_[i].advance(1);
  }
}

void Replica::execute() {
  const Ticks now = next_;
  if (run_.steps > 0) finish_run();
  take_in();
  if (since_receive_ >= config_.receive_interval) since_receive_ = 0;
  const bool work = schedule(now, hold_prompts());
  bool prompts = false, preempted = false, blocked = false;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    prompts |= batches_[i].prefill_tokens > 0;
    preempted |= ranks_[i].preempted();
    blocked |= ranks_[i].has_waiting();
  }
  if (!work) {
    for (std::size_t i = 0; i < ranks_.size(); ++i) ranks_[i].abandon_step(clocks_[i]);
    next_ = config_.async && end_ > now ? end_ : preempted ? now : never;
    if (next_ == never && take_in()) next_ = now;
    idle_points_ = next_ == now ? idle_points_ + 1 : 0;
    if (idle_points_ > 1000) {
      throw std::logic_error("the serving simulator is stuck: it preempts without end.");
    }
    return;
  }
  idle_points_ = 0;
  if (!prompts && !preempted) {
    open_run(now);
    run_.blocked = blocked;
    return;
  }
  const Ticks start = config_.async ? std::max(now, end_) : now;
  const Ticks duration = std::max(timer_.step(batches_), loading_time());
  check_step(start, duration);
  end_ = start + duration;
  if (recorder_.takes_step()) record_step(start, duration);
  if (recorder_.samples()) count_step_tokens();
  for (std::size_t i = 0; i < ranks_.size(); ++i) ranks_[i].finish_step(clocks_[i], end_, gaps_);
  advance_clocks();
  recorder_.close_step();
  since_receive_ = config_.receive_interval;
  if (longest_hold_ != never) ++waited_;
  ++counters_.steps;
  counters_.blocked_steps += blocked;
  ++counters_.events;
  next_ = config_.async ? start : end_;
}

}  // namespace tollgate
