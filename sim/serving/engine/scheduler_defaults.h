#pragma once

#include <string>

#include "sim/serving/engine/scheduler_config.h"

namespace tollgate {

/// The accelerator that an engine finds itself on.
struct EngineHost {
  double memory_bytes = 0;
  bool a100 = false;  ///< vLLM treats an A100 like smaller devices
};

/// What an engine does when it is told nothing, without the cache, which the placement gives.
/// `engine` is "vllm" (0.19: API server), "vllm-offline" (the LLM class), "sglang" (0.5) or
/// "trtllm" (1.3). Throws InputError for any other.
///
/// Sources: vLLM engine/arg_utils.py (get_batch_defaults) and v1/core/sched; SGLang server_args.py
/// (chunked_prefill_size, max_prefill_tokens) and model_runner.py (max_running_requests: the cache
/// decides, 4096 at most); TensorRT-LLM llmapi/llm_args.py (max_num_tokens 8192, max_batch_size
/// 2048, GUARANTEED_NO_EVICT, blocks of 32 tokens).
SchedulerConfig default_scheduler(const std::string& engine, const EngineHost& host);

}  // namespace tollgate
