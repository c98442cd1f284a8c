#pragma once

#include "sim/operators/curve.h"

namespace tollgate {

/// Whole attention layers, projections included, that look at few of the cached positions. Prefill
/// and decode kernels go by their own names; `seq` is 1 in decode. The format of the context is
/// that of the projections; cache_bytes per element 2 (bf16) or 1 (fp8).
///
///   t = launch + overlap(projection flops / (gemm x peak), weights / (weights_memory x bandwidth))
///     + max(attention flops / (compute x peak), attended bytes / (memory x bandwidth))
///     + where positions are selected: select + index flops / (index x fp8 peak)
///       + passes x 4 bytes of score per query and position / bandwidth
///
/// Attention is absorbed: a head with a position costs 2 (key + value) FLOPs, of `rows` heads at
/// least; each query of a decode step reads its positions, a prompt's queries share them by 16.

/// DeepSeek sparse attention (DeepSeek-V3.2; GLM-5): an index of index_heads keys of 128 picks 2048
/// positions of a latent cache of 512 + 64. Columns: batch, seq, past, heads, cache_bytes, hidden,
/// query_rank, nope (key width without its 64 rotary), value, index_heads (0: the layer reuses
/// another one's selection).
const OperatorCurve& sparse_attention_module_curve();

/// DeepSeek-V4: one key-value head of 512 in a window of 128 and pooled over `ratio` tokens; with
/// top_k > 0 (ratio 4) an index of 64 heads of 128 picks among the pooled entries, otherwise (ratio
/// 128) all are seen. Columns: batch, seq, past, heads, cache_bytes, hidden, query_rank, ratio,
/// top_k. Outputs pass a rank of 1024 per group of 8 heads.
const OperatorCurve& compressed_attention_module_curve();

}  // namespace tollgate
