#pragma once

#include <vector>

#include "sim/serving/engine/rank_scheduler.h"
#include "sim/serving/engine/replica_recorder.h"
#include "sim/serving/engine/step_run.h"

namespace tollgate {

/// One engine: data-parallel ranks that step together, driven by its scheduling points.
///
/// A point is a moment at which the engine decides a step: with synchronous scheduling the end of
/// the step before, with asynchronous scheduling the end of the one before that. Where a step only
/// decodes, the points that would decide the same again are left out, and the run of steps is
/// carried out in closed form; what is delivered in between cuts it.
class Replica {
 public:
  Replica(const SchedulerConfig& config, EngineRole role, const StepTimer& timer,
          const RequestTable& requests, Outcome& outcome, std::vector<EngineEvent>* events);

  /// The next scheduling point; `never` while there is nothing to do.
  Ticks next() const { return next_; }
  /// Carries out the next scheduling point.
  void execute();

  // Deliveries, at a time at which all points before it have been carried out.
  void enqueue(std::int32_t request, Ticks at);
  void received(std::int32_t request, Ticks at);
  void unpin(std::int32_t request, Ticks at);

  /// What vLLM's load balancer goes by: 4 x waiting + running, over the ranks.
  std::int64_t load(Ticks at) const;

  /// The rank that has a request, in an engine of a disaggregated pair.
  std::int32_t rank_with(std::int32_t request) const {
    return rank_of_request_.empty() ? 0 : rank_of_request_[static_cast<std::size_t>(request)];
  }

  EngineCounters counters() const;
  const TokenGaps& gaps() const { return gaps_; }

  /// Writes down from now on what `wanted` asks for.
  void record(const Recording& wanted, ReplicaRecord& into);
  /// A sample is due, at a time at which all points and deliveries up to and at it are done.
  void sample(Ticks at);
  /// Completes the record, at the end.
  void finish_record() { recorder_.finish(); }

 private:
  /// Steps that have been decided but not carried out.
  struct Run {
    std::int64_t steps = 0;
    bool blocked = false;  ///< somebody waits who cannot be admitted while it lasts
    StepRun course;
  };

  void place_next_point();
  void cut(Ticks at);
  void wake(Ticks at);
  void open_run(Ticks now);
  void finish_run();
  std::int64_t running(const RankScheduler& rank, Ticks at) const;
  RankScheduler& rank_of(std::int32_t request);
  void hand_to_rank(std::int32_t request, Ticks at);
  bool take_in();
  bool hold_prompts();
  std::size_t pick_rank(Ticks at);
  bool schedule(Ticks now, bool hold);
  void advance_clocks();
  Ticks loading_time() const;
  LoadSample state(std::int64_t decided) const;
  void record_step(Ticks start, Ticks duration);
  void count_step_tokens();
  void count_run_tokens();

  const SchedulerConfig config_;
  const StepTimer& timer_;
  std::vector<RankScheduler> ranks_;
  std::vector<RankBatch> batches_;
  std::vector<std::int32_t> rank_of_request_;  ///< only with several ranks and disaggregation
  /// Of each rank: SGLang's may stand still while others decode, but then without drafts, so that
  /// all emit at the same steps.
  std::vector<EmissionClock> clocks_;
  std::size_t next_rank_ = 0;
  Run run_;
  Ticks next_ = never;
  Ticks end_ = 0;  ///< of the last step that was carried out
  std::int64_t idle_points_ = 0;
  ReplicaRecorder recorder_;
  std::vector<std::int32_t> outside_;  ///< arrived, but not taken in (receive_interval)
  std::int64_t since_receive_ = 0;     ///< decode steps
  std::int64_t waited_ = 0;            ///< steps for which prompts have been held
  std::int64_t longest_hold_ = never;  ///< steps for which what was decided may still hold them
  EngineCounters counters_;
  TokenGaps gaps_;
};

}  // namespace tollgate
