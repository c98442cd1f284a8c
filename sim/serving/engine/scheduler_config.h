#pragma once

#include <cstdint>

#include "sim/serving/engine/request_table.h"

namespace tollgate {

/// Which engine's rules decide what a step computes.
enum class SchedulerPolicy {
  vllm,    ///< v1: running sequences first, chunked prefill, recompute preemption from the tail
  trtllm,  ///< the same order, but a sequence is admitted only with all the cache it may ever need
           ///< (GUARANTEED_NO_EVICT), so that nothing is preempted
  sglang,  ///< prefill first, reservation by the new-token ratio, retraction
};

/// What an engine does with the requests it is given.
enum class EngineRole {
  both,     ///< prompt and answer
  prefill,  ///< prompt and first token; the cache stays until it has been read (unpin)
  decode,   ///< the prompt's cache is sent over; vLLM computes its last token again, SGLang has the
            ///< first token sent along
};

/// Which rank of an engine takes a request.
enum class RankRouter {
  least_loaded,  ///< smallest 4 x waiting + running (vLLM), waiting + running (SGLang's
                 ///< total_requests; TensorRT-LLM's active requests, executor_request_queue.py,
                 ///< _balance_requests_across_ranks, which breaks ties by prompt tokens); the first
                 ///< of equals
  round_robin,   ///< in turn; what SGLang's data parallel controller does by default
};

/// One engine: what its scheduler is allowed and how much cache a rank has. The defaults are those
/// of vLLM's API server on accelerators of 70 GiB or more.
struct SchedulerConfig {
  SchedulerPolicy policy = SchedulerPolicy::vllm;
  int ranks = 1;  ///< that step together: data-parallel ranks, micro-batches
  RankRouter rank_router = RankRouter::least_loaded;
  std::int64_t blocks = 0;             ///< cache blocks of one rank
  int block_tokens = 16;               ///< SGLang: page size, 1
  std::int64_t batched_tokens = 8192;  ///< token budget of a step of one rank; SGLang: of a prefill
                                       ///< batch, max_prefill_tokens, 16384
  std::int32_t max_sequences = 1024;   ///< running sequences of one rank
  std::int64_t context = 1 << 30;      ///< longest prompt and answer together
  bool async = true;                   ///< schedule one step ahead (SGLang: overlap schedule)
  bool prefix_cache = true;
  /// Room for evicted cache blocks of one rank in the host's memory. They go there when the device
  /// takes them for something else, least recently evicted first to be lost, and return when a
  /// prompt finds them: beside the step that computes the rest of it, which lasts at least as long
  /// as the loading. That is SGLang's HiCache with write policy write_back, which loads in the
  /// order of the layers while they are computed (docs/advanced_features/hicache_design.md);
  /// here a block that returns leaves the host, and writing takes no time.
  std::int64_t host_blocks = 0;
  Ticks load_per_token = 0;  ///< cache bytes of a token over the bandwidth from the host
  /// The most urgent are admitted first (vLLM `--scheduling-policy priority`, SGLang
  /// `--enable-priority-scheduling`); vLLM preempts the least urgent.
  bool by_priority = false;
  int draft_tokens = 0;        ///< speculation: tokens a sequence verifies beside its own
  double tokens_per_step = 1;  ///< mean tokens a decoding sequence emits per step
  /// Each answer takes as many steps as drafts drawn one by one would give it, instead of the mean.
  /// Its cache grows by the mean all the same.
  bool sample_acceptance = false;
  std::uint64_t seed = 1;  ///< of those draws

  // SGLang only (server_args.py, schedule_policy.py, schedule_batch.py). With data-parallel
  // attention `ranks` schedule each by itself and step together, so that one may compute prompts
  // while another decodes; with drafts a prompt on one rank keeps all others idle
  // (scheduler.py, get_next_batch_to_run; scheduler_dp_attn_mixin.py). These values are those of a
  // rank, after what server_args.py makes of them (scheduler_for).
  std::int64_t chunk = 8192;    ///< chunked_prefill_size
  double conservativeness = 1;  ///< schedule_conservativeness
  bool mixed_chunk = false;     ///< decode beside a prefill batch
  /// num_reserved_decode_tokens: kept free for each sequence of a decode engine
  std::int64_t reserved_decode_tokens = 512;
  /// Requests are taken in after so many decode steps, or after a prefill batch
  /// (scheduler_recv_interval; scheduler_recv_skipper.py).
  std::int64_t receive_interval = 1;

  // TensorRT-LLM only (llm_args.py, py_executor.py).
  /// A prompt runs in one step; it waits for one with room (enable_chunked_prefill: false). One
  /// that is longer than the token budget is cut all the same.
  bool whole_prompts = false;
  /// Prompts wait for others until a step has so many tokens, but at most so many steps
  /// (batch_wait_max_tokens_ratio x max_num_tokens, batch_wait_timeout_iters), while others decode.
  std::int64_t wait_tokens = 0;
  std::int64_t wait_steps = 0;
  /// Several ranks: prompts wait until every rank has one, but every so many steps they need not
  /// (attention_dp_config: enable_balance, timeout_iters). 0: they do not wait.
  std::int64_t balance_steps = 0;
};

/// SGLang's share of the tokens still allowed to running sequences that is kept free, in 2^-30: 0.7
/// x conservativeness at first, down to 0.14 of that in equal parts over 600 decode steps (server
/// defaults SGLANG_INIT_NEW_TOKEN_RATIO, _MIN_NEW_TOKEN_RATIO_FACTOR,
/// _NEW_TOKEN_RATIO_DECAY_STEPS).
std::int64_t initial_token_ratio(const SchedulerConfig& config);
std::int64_t least_token_ratio(const SchedulerConfig& config);
std::int64_t token_ratio_decay(const SchedulerConfig& config);

/// Of the tokens that a request may still generate, SGLang keeps room for at most this many
/// (CLIP_MAX_NEW_TOKENS).
inline constexpr std::int64_t longest_reservation = 4096;
/// After a retraction there is room for this many more steps (retract_decode_steps).
inline constexpr std::int64_t retract_decode_steps = 20;

/// Throws InputError with one sentence if the configuration is impossible, or if a request can
/// never be served by it: longer than the context or than the cache of a rank.
void check(const SchedulerConfig& config, const RequestTable& requests,
           EngineRole role = EngineRole::both);

}  // namespace tollgate
