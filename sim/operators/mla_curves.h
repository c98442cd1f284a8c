#pragma once

#include "sim/operators/curve.h"

namespace tollgate {

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434), kernels and whole layers with the
/// dimensions of DeepSeek-V3, which Kimi-K2 shares: keys of 128 + 64, values of 128, a cached
/// latent of 512 + 64; hidden 7168 and query rank 1536 in the modules. `heads` are those on the
/// accelerator. Small calls are warm as in prefill_attention_curve.h.

/// Prompt chunk, keys and values expanded. Columns: batch, seq, past, heads; format as of prefill
/// attention. Tiles as there, 2 (192 + 128) FLOPs per head and query-key pair.
const OperatorCurve& mla_prefill_curve();

/// One token per sequence, absorbed: every head reads the latents. Columns: batch, context (mean),
/// heads; the format is the cache's. bytes = 576 batch context x cache bytes + queries and outputs;
/// fixed = (items x item + batch heads x head) / processors
///         + 2 (576 + 512) batch context max(heads, rows) / (compute x peak),
/// items one per sequence and 64 heads; overlapped with reading as in decode attention, but no
/// shorter than walking the positions takes: an item walks them in tiles of 64, whole = serial x
/// max(context, 64), or in `parts` as there, and where items outnumber processors they take turns,
///   t = launch + max(overlap(fixed, memory), crowd x items x whole / processors
///                    + tail x whole / parts x min(1, items x parts / processors), whole / parts).
/// TensorRT-LLM's kernel for mma.sync does not split: on A100 (108 processors) 64, 128, 256, 512
/// and 1024 sequences take 1.4, 2.4, 3.8, 7.0 and 13.5 times as long as one.
const OperatorCurve& mla_decode_curve();

/// Attention layer with its projections, prefill. Columns: batch, seq, past, heads, cache_bytes and
/// product_bytes (2 bf16, 1 fp8; of attention). The format is that of the projections, whose time
/// is overlap(flops / (gemm x peak), weights / (weights_memory x bandwidth)); attention as above.
const OperatorCurve& mla_prefill_module_curve();

/// The same for one token per sequence, absorbed. Columns: batch, context, heads, cache_bytes.
const OperatorCurve& mla_decode_module_curve();

}  // namespace tollgate
