#pragma once

#include <string_view>

#include "sim/spec/hardware_spec.h"

namespace tollgate {

/// Which matrix unit a product runs on, given how its weights are stored and what the device has.
enum class ComputeClass { bf16, fp8, fp4 };

struct ComputePath {
  ComputeClass unit = ComputeClass::bf16;
  double peak = 0;              ///< FLOP/s, dense
  double activation_bytes = 2;  ///< per element of the input
};

/// fp8 and int8 weights run on their own unit, else (A100) are widened to bf16. NVFP4 runs on the
/// FP4 unit, else on FP8's or bf16's with widening. MXFP4 (gpt-oss) runs with FP8 activations where
/// there is an FP4 unit (Blackwell, W4A8), else widened to bf16 (Hopper). int4 is weight-only:
/// bf16.
ComputePath compute_path(Precision weights, const PeakRates& peak);

/// The number format of operator tables that such a product is found under. fp8 has a scale per
/// block where the publisher ships fp8 (`shipped`: DeepSeek, Qwen, GLM, MiniMax, Kimi), a scale per
/// tensor where a bf16 model is quantised later (NVIDIA's and Red Hat's checkpoints).
std::string_view number_format_of(Precision weights, bool shipped, const PeakRates& peak);

}  // namespace tollgate
