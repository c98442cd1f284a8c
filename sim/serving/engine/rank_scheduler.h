#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include "sim/serving/engine/acceptance_sampler.h"
#include "sim/serving/engine/block_pool.h"
#include "sim/serving/engine/completion_calendar.h"
#include "sim/serving/engine/emission_clock.h"
#include "sim/serving/engine/recording.h"
#include "sim/serving/engine/request_table.h"
#include "sim/serving/engine/scheduler_config.h"
#include "sim/serving/engine/step_timer.h"
#include "sim/serving/engine/token_gaps.h"
#include "sim/serving/engine/waiting_queue.h"

namespace tollgate {

/// A request that left the engine, or whose cache room was given so that sending may begin.
struct EngineEvent {
  enum class Kind { finished, ready_to_receive } kind;
  std::int32_t request;
  Ticks at;
};

/// Scheduler and cache of one data-parallel rank.
///
/// Decoding sequences are not touched in a step: what a step needs are their number, the sum of
/// their contexts and how many of them stand at each offset in a block, all of which advance evenly
/// with the emission clock. A sequence costs work when it joins and when it ends. The exception is
/// a shortage of cache, which walks through the running sequences in order of admission.
class RankScheduler {
 public:
  /// `events`, where given, collects what other engines must hear of. `extremes`: fill in the
  /// longest and the shortest decode context of a batch. `horizon`: the longest answer.
  RankScheduler(const SchedulerConfig& config, EngineRole role, const RequestTable& requests,
                Outcome& outcome, std::vector<EngineEvent>* events, bool extremes,
                std::int64_t horizon);

  /// Collects what happens to requests from now on.
  void log_to(std::vector<StepEvent>* log, int rank) {
    log_ = log;
    rank_ = rank;
  }

  /// A request arrives.
  void enqueue(std::int32_t request) {
    queue_.push_back({request, 0});
    waiting_tokens_ += input(request);
  }
  /// The cache of a request that was given room has arrived.
  void received(std::int32_t request);
  /// The cache of a finished prompt has been read.
  void unpin(std::int32_t request);

  /// Gives back slots and cache of sequences whose end has been processed.
  void release_finished();

  /// Decides the next step and takes its cache; the caller tells how long it lasts, then calls
  /// finish_step. begin_schedule tells whether the step is one of prompts alone, which SGLang
  /// decides first; `idle` keeps a rank without them from decoding, `hold` admits nobody.
  bool begin_schedule(const EmissionClock& clock, Ticks now, RankBatch& batch);
  void end_schedule(const EmissionClock& clock, Ticks now, bool idle, bool hold, RankBatch& batch);
  /// Whether the step that was scheduled lets decoding sequences emit (SGLang's prefill batches
  /// keep them waiting).
  bool decodes() const { return decodes_; }
  void finish_step(const EmissionClock& before, Ticks end, TokenGaps& gaps);

  /// No rank could schedule anything: whoever was left out of the step is as before.
  void abandon_step(const EmissionClock& clock);

  /// The decode-only step that was just scheduled may be repeated at least this many times, itself
  /// included, before a sequence ends or cache runs out.
  std::int64_t run_limit(const EmissionClock& clock) const;
  /// Carries out the first `steps` steps of a run.
  void finish_run(const EmissionClock& before, const StepRun& run, std::int64_t steps,
                  TokenGaps& gaps);

  bool preempted() const { return preempted_; }
  /// Tokens whose cache comes from the host's memory beside the step that was scheduled.
  std::int64_t loaded_tokens() const { return loaded_; }
  /// Whether somebody waits who could be admitted if a sequence ended.
  bool has_waiting() const {
    return !queue_.empty() || received_ > 0 || !ready_.empty() || !retracted_.empty();
  }
  /// Whether an arrival may be admitted before those who wait already.
  bool may_overtake() const {
    return queue_.by_priority() || (queue_.empty() && retracted_.empty());
  }
  bool has_finishing() const { return !due_.empty(); }
  std::int64_t waiting() const {
    return static_cast<std::int64_t>(queue_.size() + parked_.size() + ready_.size() +
                                     retracted_.size());
  }
  /// Prompt tokens of those who wait, without what was generated before a preemption.
  std::int64_t waiting_tokens() const { return waiting_tokens_; }
  bool has_room() const { return running_count_ < config_.max_sequences; }
  std::int64_t decoding() const { return decoders_; }
  std::int64_t running() const { return running_count_; }
  std::int64_t finishing() const { return static_cast<std::int64_t>(due_.size()); }
  const EngineCounters& counters() const { return counters_; }
  /// Cache blocks that are held, once `steps` decode-only steps have been decided; nobody may be
  /// finishing if it is more than one.
  std::int64_t held_blocks(const EmissionClock& clock, std::int64_t steps) const {
    const std::int64_t grown = steps > 1 ? blocks_needed(clock.after(1), clock.after(steps)) : 0;
    return pool_.total() - pool_.free() + grown;
  }
  std::int64_t decoders() const { return decoders_; }

 private:
  enum class State : std::uint8_t { none, prefill, decode, stalled, finishing, parked, pinned };
  struct Slot {
    std::int64_t end = 0;    ///< step whose end brings the last token
    std::int64_t base = 0;   ///< context minus clock, while decoding
    std::int64_t stamp = 0;  ///< order of admission
    Ticks emitted_at = 0;    ///< its last token, while it does not decode
    std::int32_t request = -1;
    std::int32_t next = -1;     ///< calendar link
    std::int32_t produced = 0;  ///< tokens emitted before this stay
    std::int32_t computed = 0;  ///< while the prompt is computed
    std::int32_t held = 0;      ///< blocks held of the stream
    std::int32_t reserved = 0;  ///< blocks in all, where they do not follow from the tokens
    bool sealed = false;        ///< computes a block that is cached already: registers no more
    bool served = false;        ///< has what it needs for the step; only in a shortage by priority
    State state = State::none;
  };
  using Waiting = WaitingQueue::Entry;
  struct Parked {
    std::int32_t slot;
    bool received;
  };
  struct Order {
    std::int64_t stamp;
    std::int32_t slot;
  };

  std::int32_t output(std::int32_t request) const {
    return role_ == EngineRole::prefill ? 1 : requests_.output[static_cast<std::size_t>(request)];
  }
  std::int32_t input(std::int32_t request) const {
    return requests_.input[static_cast<std::size_t>(request)];
  }
  std::int32_t stream(std::int32_t request) const {
    return requests_.stream.empty() ? -1 : requests_.stream[static_cast<std::size_t>(request)];
  }
  std::int64_t shared(std::int32_t request) const {
    return requests_.shared.empty() ? 0 : requests_.shared[static_cast<std::size_t>(request)];
  }
  Slot& slot(std::int32_t i) { return slots_[static_cast<std::size_t>(i)]; }
  const Slot& slot(std::int32_t i) const { return slots_[static_cast<std::size_t>(i)]; }
  std::int64_t blocks_for(std::int64_t tokens) const { return (tokens + block_ - 1) / block_; }
  /// Tokens whose keys and values a decoding sequence has, at clock value `now`.
  std::int64_t context_of(const Slot& s, std::int64_t now) const { return s.base + now; }
  /// Non-negative remainder.
  std::size_t offset(std::int64_t tokens) const {
    const std::int64_t r = block_ == 16 ? (tokens & 15) : tokens % block_;
    return static_cast<std::size_t>(r < 0 ? r + block_ : r);
  }
  bool reserves_all() const { return config_.policy == SchedulerPolicy::trtllm; }
  std::int64_t at_tick(std::int64_t tick) const;
  std::int64_t blocks_needed(std::int64_t from_clock, std::int64_t to_clock) const;
  void schedule_vllm(const EmissionClock& clock, Ticks now, bool hold, RankBatch& batch);
  bool is_sglang_decoder() const {
    return config_.policy == SchedulerPolicy::sglang && role_ == EngineRole::decode;
  }
  std::int64_t holders() const;
  std::int64_t most_holders() const;
  void resume_retracted();
  bool give_room(Ticks now);
  void collect_received();
  void join_ready(const EmissionClock& clock, Ticks now);
  void receive_sglang(const EmissionClock& clock, Ticks now);
  void mix_sglang(const EmissionClock& clock);
  void decode_sglang(const EmissionClock& clock);
  void prefill_sglang(std::int64_t now, RankBatch& batch);
  bool continue_chunked(std::int64_t tokens_left, RankBatch& batch);
  void retract(const EmissionClock& clock);
  void stall_decoding(std::int64_t now);
  std::int32_t last_decoding() const;
  void pass_decode_steps(std::int64_t steps);
  std::int32_t emitted(const Slot& s, std::int64_t now) const {
    const std::int64_t tokens = context_of(s, now) - input(s.request) + 1;
    return static_cast<std::int32_t>(std::min<std::int64_t>(tokens, output(s.request) - 1));
  }
  std::int64_t still_allowed(std::int32_t request, std::int64_t produced) const;
  std::int64_t cached_tokens(const Waiting& w, const BlockPool::Match& hit) const;
  std::int32_t start_sequence(const Waiting& w, const BlockPool::Match& hit);
  std::int32_t new_slot(const Waiting& w);
  void drop_slot(std::int32_t i);
  void free_cache(Slot& s, std::int64_t computed);
  void preempt(std::int32_t i, const EmissionClock& clock);
  void release_early(std::int32_t i);
  void run_short(const EmissionClock& clock);
  void run_short_by_priority(const EmissionClock& clock, RankBatch& batch);
  std::int32_t least_urgent() const;
  bool make_room_by_priority(std::int32_t i, std::int64_t blocks, const EmissionClock& clock);
  void begin_decoding(std::int32_t i, std::int64_t now);
  void stop_decoding(std::int32_t i, std::int64_t now);
  void compute(std::int32_t i, std::int64_t tokens, RankBatch& batch);
  void continue_partial(const EmissionClock& clock, std::int64_t& budget, RankBatch& batch);
  bool admit_received(std::int64_t& budget, RankBatch& batch);
  bool admit_next(std::int64_t& budget, RankBatch& batch, Ticks now);
  void register_prompt(Slot& s);
  void prompt_done(std::int32_t i, const EmissionClock& before, Ticks end, TokenGaps& gaps);
  void finish(std::int32_t i, std::int64_t computed, Ticks end);
  void drain(std::int64_t step, std::int64_t to_clock, Ticks end);
  void fill_extremes(RankBatch& batch, std::int64_t now) const;
  void compact_order();
  void log(StepEvent::Kind kind, std::int32_t request) const {
    if (log_ != nullptr) log_->push_back({kind, rank_, request});
  }

  const SchedulerConfig config_;
  const EngineRole role_;
  const RequestTable& requests_;
  Outcome& outcome_;
  std::vector<EngineEvent>* events_;
  const bool extremes_;
  std::vector<StepEvent>* log_ = nullptr;
  std::int32_t rank_ = 0;
  const std::int64_t block_;

  BlockPool pool_;
  const AcceptanceSampler sampler_;
  CompletionCalendar calendar_;
  std::vector<Slot> slots_;
  std::vector<std::int32_t> spare_slots_;
  std::vector<Order>
      order_;  ///< running sequences in order of admission; stale entries are skipped
  std::int64_t stamps_ = 0;
  WaitingQueue queue_;
  std::vector<Parked> parked_;  ///< given room, in this order; their cache is under way
  std::int64_t received_ = 0;   ///< of these, those whose cache is here
  std::vector<std::int32_t> pinned_;
  std::int64_t waiting_tokens_ = 0;
  std::vector<std::int32_t> ready_;  ///< SGLang: cache is here, waits for a place among the running
  std::deque<Waiting> retracted_;    ///< SGLang's decode engines: cache in the host's memory

  std::int64_t running_count_ = 0;       ///< sequences that count against max_sequences
  std::int64_t decoders_ = 0;            ///< of these, decoding
  std::int64_t decode_context_ = 0;      ///< sum of their contexts
  LastEmissions emissions_;              ///< of those that decode
  std::vector<std::int64_t> at_offset_;  ///< decoders by (context - clock) modulo block
  std::int32_t partial_ = -1;            ///< the one prompt that is cut in chunks
  std::vector<std::int32_t> prompts_;    ///< worked on in the step that was scheduled
  std::vector<std::int32_t> due_, later_, ended_;
  std::vector<std::int32_t> stalled_;  ///< decoding, but left out of the step
  bool preempted_ = false;
  std::int64_t loaded_ = 0;
  bool decodes_ = true;

  // SGLang: share of what running sequences may still generate that is kept free, in 2^-30.
  std::int64_t ratio_ = 0;
  bool full_ = false;    ///< nobody was admitted; not tried again before a sequence ends
  bool shrunk_ = false;  ///< a sequence has ended since
  bool retry_ = false;   ///< the next point tries to admit
  EngineCounters counters_;
};

}  // namespace tollgate
