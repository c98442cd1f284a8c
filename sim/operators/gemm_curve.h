#pragma once

#include "sim/operators/curve.h"

namespace tollgate {

/// Dense matrix product y[m,n] = x[m,k] W[k,n] on one accelerator, activations quantised first
/// where the format asks for it.
///
/// Columns: m, n, k, copies, inputs, until_full. `copies` is 0 where weights come from memory, as
/// in serving; a benchmark that cycles through that many copies of W (with `until_full` no more
/// than fill the last-level cache), and `inputs` of x, finds them in the cache when they fit, and
/// the fit must know.
///
///     t = launch + max(a, b) + overlap min(a, b) + m max(row, 3 k / (quantise BW))
///     a = min over tiles and splits of waves (k step / splits + epilogue) + split log4(splits)
///         + by_rows max(0, the same with the tile for m alone, k not split - that min)
///     b = (DRAM bytes / memory + cached bytes l2) / BW
///     step = max(k_step, FLOPs of the tile, loads of the tile), per element of k
///     waves = w + wave (ceil(w) - w), w = max(1, tiles x splits / processors)
///
/// Tiles 16x64, 64x64, 64x128, 128x128 and 1, 4 or 16 splits of k, as CUTLASS and cuBLAS have them
/// (Osama et al., Stream-K, PPoPP 2023); of four-bit operands shared memory holds 128x256, too,
/// which a processor advances as fast: without it the largest products on B200 come out a fifth too
/// slow. Tiles for m alone: 16x64 up to 16 rows, 64x64 up to 64, 128x128 up to 256, 256x128 (vLLM,
/// csrc/quantization/cutlass_w8a8, sm89 fp8 dispatch). One processor multiplies a tile at its share
/// of the peak, loads its slices at `load` times its share of the memory bandwidth (the last-level
/// cache serves reuse) and never advances k faster than `k_step`. What lasts beyond 1 ms is slower
/// by `sustained`: the clock gives way to the power limit. At most by 0.25: bf16 products of 60 to
/// 260 ms reach 0.81 (H200) and 0.85 (H100) of the best rate of short ones in the tables that it is
/// fitted to; what is slower yet lacks cache, which a step's products do not.
const OperatorCurve& gemm_curve();

/// The pair of absorbed batched products around MLA decode: y[b] = x[b] W[b] for `heads` b.
/// Columns: heads, m, n, k, copies (as above). t = launch + max(a, b) + overlap min(a, b), a and b
/// as bytes and FLOPs with rows padded to 64.
const OperatorCurve& batched_gemm_curve();

/// A kernel that turns bf16 activations [m,k] into a narrower format, or finds their scales.
/// Columns: m, k. t = launch + m max(row, 3 k / (memory BW)), 3 bytes per element: two read, one
/// written; those that fit the last-level cache take `l2` of the time of bytes from memory.
const OperatorCurve& quantise_curve();

}  // namespace tollgate
