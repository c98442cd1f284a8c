#include "sim/serving/engine/engine_scheduler.h"

#include <algorithm>

namespace tollgate {

SchedulerConfig scheduler_for(const EngineSpec& engine, double device_memory, int ranks) {
  const EngineLimits& limits = engine.limits_for(device_memory);
  SchedulerConfig c;
  c.block_tokens = engine.kv_block;
  c.async = engine.async_scheduling;
  c.ranks = ranks;
  c.max_sequences = limits.max_num_seqs;
  c.batched_tokens = limits.batched_tokens;
  switch (engine.policy) {
    case SchedulingPolicy::running_first:
      c.policy = SchedulerPolicy::vllm;
      break;
    case SchedulingPolicy::no_evict:
      c.policy = SchedulerPolicy::trtllm;
      c.whole_prompts = true;
      break;
    case SchedulingPolicy::prefill_first:
      c.policy = SchedulerPolicy::sglang;
      c.chunk = engine.chunk_of_group(limits.batched_tokens, ranks);
      c.batched_tokens = std::max<std::int64_t>(16384, limits.batched_tokens);
      if (ranks > 1) {
        c.conservativeness *= 0.3;
        c.rank_router = RankRouter::round_robin;
      }
      break;
  }
  return c;
}

}  // namespace tollgate
