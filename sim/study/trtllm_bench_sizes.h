#pragma once

#include "sim/placement/sharding.h"
#include "sim/spec/hardware_spec.h"
#include "sim/spec/model_spec.h"

namespace tollgate {

struct BenchSizes {
  int max_num_seqs = 0;    ///< of a data-parallel group
  int batched_tokens = 0;  ///< of a step
};

/// The sizes that `trtllm-bench throughput` starts TensorRT-LLM with where none are given: its own
/// estimate of how many requests of `input` and `output` tokens the cache holds, rounded up, and
/// as many tokens as these feed, at least 2048 and at least a prompt beside a full batch. The
/// engine's defaults (2048, 8192) for formats that it does not tune, MXFP4 among them, and for
/// models with linear attention (its branch for Mamba hybrids is left out).
/// `memory_share`: of what the weights leave, kv_cache_free_gpu_mem_fraction.
/// Source: NVIDIA/TensorRT-LLM, tensorrt_llm/bench/build/tuning.py (calc_engine_setting,
/// finetune_setting), build/build.py, benchmark/utils/general.py, 0171265e.
BenchSizes trtllm_bench_sizes(const LlmSpec& model, const HardwareSpec& hardware,
                              const Deployment& ranks, const PrecisionMap& precision, double input,
                              double output, double memory_share);

}  // namespace tollgate
