#pragma once

#include "sim/operators/curve.h"

namespace tollgate {

/// A fused expert layer on its most loaded rank: permutation, up and gate, activation, down,
/// un-permutation; no router, no communication.
///
/// Columns: hidden; inter (of one expert on this rank, after tensor parallelism); gated (1: two up
/// projections, 0: one); tokens and choices (tokens entering and tokens x top_k, whatever ranks
/// they are for); rows, active, rows16, rows64, rows128 (RankLoad: what is for this rank, padded
/// expert by expert, so that the whole distribution enters); experts on the rank; copies (as
/// gemm_curve: 0 in serving).
///
///     t = launch + max(a, b) + overlap min(a, b) + expert active + token tokens
///         + 6 hidden rows / (route BW) + choices (2 hidden + 4 inter) / (scatter BW)
///     a = min over tile heights h of 16, 64, 128 of the two grouped products, each
///         ceil(rows_h / h x columns / 128 / processors) x k x max(k_step, flops, loads)
///     b = DRAM bytes / (memory BW) + cached bytes / (4 BW), weights of active experts and rows
///
/// A kernel that cannot know which choices are for other ranks picks its tiles as if all were its
/// own (OpenAI's Triton kernels, opt_flags.py: the next power of two of choices / experts, 16 to
/// 128; FlashInfer's trtllm-gen kernels likewise): a becomes a + blind (a' - a), a' the same
/// minimum over tiles of at least 16, 64 (beyond 16 choices for each expert) or 128 rows (beyond
/// 64). On four ranks gpt-oss-120b's experts take 616 instead of 327 us from 1024 tokens on, as
/// measured.
///
/// Where more tokens enter than the rank has experts, tiles 16 high cost 1 + dispatch times as
/// much: the point where the default configuration of Triton kernels changes (vLLM and SGLang,
/// fused_moe get_default_config: M <= E).
const OperatorCurve& moe_curve();

}  // namespace tollgate
