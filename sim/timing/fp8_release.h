#pragma once

#include "sim/spec/model_spec.h"

namespace tollgate {

/// A model shipped in bf16 whose publisher has an fp8 release beside it, with a scale per block of
/// 128 x 128 weights: what "fp8" means for it. Qwen3 and Qwen3.5 (config.json of
/// Qwen/Qwen3-30B-A3B-FP8; QuixiAI/Quantize-Qwen3.5 on Qwen/Qwen3.5-*-FP8), GLM-5 (config.json of
/// zai-org/GLM-5-FP8 and GLM-5.1-FP8).
bool has_block_fp8_release(const LlmSpec& model);

}  // namespace tollgate
