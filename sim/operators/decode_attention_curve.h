#pragma once

#include "sim/operators/curve.h"

namespace tollgate {

/// Attention of one new token per sequence, one layer, on one accelerator.
///
/// Columns: batch (sequences), context (their mean length, the new token included), heads,
/// kv_heads, head_dim, window (positions seen at most; 0 = all). The format of the context is that
/// of the cache. Kernels read every cached key and value once for a whole group of query heads and
/// split long sequences over processors (FlashDecoding, 2023; TensorRT-LLM XQA), so
///
///   bytes  = 2 batch context kv_heads head_dim x cache bytes + queries and outputs
///   items  = batch (kv_heads, or heads as far as not `pack`ed)
///   fixed  = items x item / processors + 4 head_dim context rows / (compute x peak)
///   memory = bytes / bandwidth (missed / memory + (1 - missed) l2)
///   t = launch + max(overlap(fixed, memory), serial x context / parts)
///
/// with rows of at least 16 per packed item (the matrix unit's tile), parts = 1 + split
/// (processors / items - 1) where items leave processors idle, and overlap(a, b) = max + 0.4
/// (hypot(a, b) - max) (attention_work.h): all linear in the total of cached tokens. Reads miss the
/// last-level cache from 0.72 of it on, entirely from 1.2. Tables repeat one call, so a cache
/// smaller than that is warm; in a step other layers pass in between: set Device::l2 to 0 for that.
/// The bound counts bytes beyond the last-level cache only.
const OperatorCurve& decode_attention_curve();

/// Sequences of uneven length take t_mean + alpha (t_longest - t_mean), where t_longest is the time
/// if all were as long as the longest (LLMServingSim 2.0, arXiv 2602.23036, profiles of vLLM 0.19).
/// `alpha` 0 is perfect balance between processors; 0.1 is the median of those profiles
/// (FlashAttention 2, RTX 4090 and RTX PRO 6000; P90 0.9 where few long sequences meet many short
/// ones).
double uneven_decode_seconds(double mean_seconds, double longest_seconds, double alpha = 0.1);

}  // namespace tollgate
