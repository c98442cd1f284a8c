#pragma once

#include "sim/serving/engine/scheduler_config.h"
#include "sim/spec/engine_spec.h"

namespace tollgate {

/// The scheduler of an engine of models/engines on an accelerator with that much memory, bytes:
/// policy, limits, block size and asynchronous scheduling as the engine has them. The number of
/// cache blocks is left to the placement. SGLang's max_prefill_tokens is 16384 (server_args.py),
/// its token budget in models/engines the chunk. With data-parallel attention on `ranks` it divides
/// the chunk by them, keeps 0.3 of the conservativeness and deals requests out in turn
/// (server_args.py, _handle_data_parallelism and _handle_load_balance_method).
SchedulerConfig scheduler_for(const EngineSpec& engine, double device_memory, int ranks = 1);

}  // namespace tollgate
