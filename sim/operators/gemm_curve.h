#pragma once

#include "sim/operators/curve.h"

namespace tollgate {

/// Dense matrix product y[m,n] = x[m,k] W[k,n] on one accelerator, activations quantised first
/// where the format asks for it.
///
/// Columns: m, n, k, copies. `copies` is 0 where weights come from memory, as in serving; a
/// benchmark that cycles through that many copies of W finds them in the last-level cache when they
/// fit, and the fit must know.
///
///     t = launch + max(a, b) + overlap min(a, b) + m max(row, 3 k / (quantise BW))
///     a = min over tiles and splits of  waves (k / splits max(k_step, flops, loads) + epilogue) +
///     split cost b = DRAM bytes / (memory BW) + cached bytes / (4 BW) waves = w + wave (ceil(w) -
///     w),  w = max(1, ceil(m / tile m) ceil(n / tile n) splits / processors)
///
/// Tiles 64x64, 64x128, 128x128 and 1, 4 or 16 splits of k: what CUTLASS and cuBLAS offer (Thakkar
/// et al., CUTLASS; Osama et al., Stream-K, PPoPP 2023). One processor multiplies a tile at its
/// share of the peak, loads its slices at `load` times its share of the memory bandwidth (the
/// last-level cache serves reuse) and never advances k faster than `k_step`. Past 1 ms the clock
/// gives way
/// (`sustained`): measured dense products slow down under power limits.
/// Cached bytes are read at four times the memory bandwidth at most: the ratio on H100, whose L2
/// gives some 12 TB/s, assumed elsewhere.
const OperatorCurve& gemm_curve();

/// The pair of absorbed batched products around MLA decode: y[b] = x[b] W[b] for `heads` b.
/// Columns: heads, m, n, k. t = launch + max(a, b) + overlap min(a, b), a and b as bytes and FLOPs
/// with rows padded to 64.
const OperatorCurve& batched_gemm_curve();

/// A kernel that turns bf16 activations [m,k] into a narrower format, or finds their scales.
/// Columns: m, k. t = launch + m max(row, 3 k / (memory BW)), 3 bytes per element: two read, one
/// written.
const OperatorCurve& quantise_curve();

}  // namespace tollgate
