#pragma once

#include "sim/operators/curve.h"

namespace tollgate {

/// Linear attention: a layer's time is the sum of its two kernels, a short convolution and the rule
/// that updates its state. Kernels of prefill, decode and verification go by their own names.

/// Causal depthwise convolution of a few taps. Columns: batch, seq (tokens of each), channels
/// (those of q, k and v; 2 k_heads k_dim + v_heads v_dim). Tokens are read and written once in
/// bf16: t = launch + overlap(bytes / bandwidth, batch x item / processors), bytes from memory or
/// the last-level cache as in prefill_attention_curve.h.
const OperatorCurve& short_convolution_curve();

/// Gated DeltaNet (arXiv 2412.06464), Kimi delta attention (2510.26692) and other rules with a
/// state of k_dim x v_dim per value head. Columns: batch, seq, k_heads, k_dim, v_heads, v_dim,
/// state_bytes (per element). Kernels go over a sequence in chunks of 64 tokens, one after the
/// other:
///
///   math   = batch v_heads (chunk ceil(seq / 64) + token seq) / processors, scaled by
///            k_dim v_dim / 128^2
///   bytes  = tokens (q, k, v, output) in bf16 + the state read and written once
///   t = launch + max(overlap(math, bytes / (memory x bandwidth)), chain x ceil(seq / 64))
///
/// Bound: 4 k_dim v_dim FLOPs per token and head (state update and read), and the bytes.
const OperatorCurve& linear_attention_curve();

}  // namespace tollgate
