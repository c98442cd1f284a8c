#pragma once

#include "sim/spec/model_spec.h"

namespace tollgate {

/// Gives the formats of an NVFP4 checkpoint of a mixture-of-experts model: attention stays in bf16,
/// linear attention included, and for some families the shared experts, too; the rest is
/// `precision` as it comes. Dense models are quantised whole and left alone.
///
/// Sources: hf_quant_config.json (exclude_modules) of nvidia/DeepSeek-R1-NVFP4,
/// DeepSeek-R1-0528-NVFP4, MiniMax-M2.5-NVFP4 and GLM-4.7-NVFP4; config.json of
/// nvidia/Kimi-K2.6-NVFP4 and Qwen3.5-122B-A10B-NVFP4, which exclude the shared experts as well.
/// TensorRT-LLM's blog "Pushing Latency Boundaries" (DeepSeek-R1 on B200) states the same.
void keep_as_nvfp4_release(const LlmSpec& model, PrecisionMap& precision);

}  // namespace tollgate
