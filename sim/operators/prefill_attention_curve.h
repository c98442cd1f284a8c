#pragma once

#include "sim/operators/curve.h"

namespace tollgate {

/// Causal attention of a prompt chunk, one layer, on one accelerator.
///
/// Columns: batch (sequences), seq (new tokens of each), past (cached tokens before them), heads,
/// kv_heads, head_dim, window (positions a query sees at most; 0 = all). The format of the context
/// is that of cache and products: bf16, fp8, or w8a16 (fp8 cache, bf16 products).
///
/// A kernel gives each tile of 128 queries of a head to a processor (FlashAttention-2, arXiv
/// 2307.08691; -3, 2407.08608), so with c = 4 head_dim / (compute x peak / processors) seconds per
/// query-key pair
///
///   tiles    = batch (heads ceil(seq / 128), or kv_heads ceil(seq group / 128) as far as `pack`ed)
///   work     = tiles x tile + c (batch heads (pairs + pad x seq) + idle rows x past)
///   heaviest = tile + c (last tile's pairs)
///   math     = max(work / processors + tail x heaviest min(1, tiles / processors), lone x
///   heaviest) t = launch + max(math, bytes from memory or last-level cache) + kv x cache bytes /
///   bandwidth
///
/// `pairs` are those the mask leaves (idle rows of a tile see the past as the others do), and 1 -
/// `skip` of those a window hides. `bytes` are queries, outputs, keys and values once; they miss
/// the cache from 0.6 of it on, entirely from 1.2. Tables repeat one call, so small ones are warm:
/// set Device::l2 to 0 for a call whose data is cold. The bound counts bytes beyond the last-level
/// cache only.
const OperatorCurve& prefill_attention_curve();

}  // namespace tollgate
