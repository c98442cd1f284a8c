#pragma once
/// Combine weights of the chosen experts, in double; for tests and reports, never for a selection.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/gate_spec.h"

namespace tollgate::kernels {

/// What belongs to the experts of a layer. Empty, or one value per logit.
struct ExpertVectors {
  std::span<const double> bias;   ///< enters weights with `BiasMode::on_logit_and_weight` only
  std::span<const double> scale;  ///< for gates with `expert_scale`
};

/// The weight with which each of the chosen experts' outputs enters the sum.
///   logits  all router logits of one token, those of zero experts included
///   chosen  ids of the chosen experts; shared slots may follow
/// Returns one weight per entry of `chosen`, in this order of steps:
///
///   1. score of the logit, or of logit + bias; with `top_k_then_score` softmax runs over the
///   chosen
///      logits only
///   2. renormalised: w / (sum w + 1e-20), as DeepSeek-V3
///   3. times the expert's own scale (Gemma-4: vLLM csrc/moe/gemma4_decode/gemma4_routing.cu)
///   4. times `scale`
///
/// A shared slot (id >= logits.size()) weighs 1. SGLang's fused kernel (moe_fused_gate.py) enters
/// it as routed sum / scale before steps 2 and 4, which make that 1.
///
/// Throws std::invalid_argument if a chosen id is neither an expert nor a shared slot, or a vector
/// has the wrong length.
std::vector<double> gate_weights(const GateSpec& gate, std::span<const double> logits,
                                 std::span<const std::uint16_t> chosen,
                                 const ExpertVectors& vectors = {});

}  // namespace tollgate::kernels
