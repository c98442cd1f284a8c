#pragma once
/// The alias generator on the device: one thread per chain of tokens.

#include <cstdint>

#include "kernels/core/window_stats.h"
#include "kernels/cuda/stream.h"
#include "kernels/generator/alias_draw.h"

namespace tollgate::kernels {

/// Draws all tokens of `layers` layers; the pointers inside `shape` are to device memory. Without
/// stickiness every token is a chain of its own, with it a sequence is. Exactly one of `ids`,
/// [layer][token][slot], and `counts`, [layer][expert] to which is added, is not null.
/// `shared_tables` asks for the tables of a layer in shared memory where they fit; the other way,
/// reading them through the caches, gives the same.
void launch_alias(const AliasShape& shape, int layers, std::uint16_t* ids,
                  unsigned long long* counts, CudaStream stream = nullptr,
                  bool shared_tables = true);

/// The same from and to host memory. `counts` is overwritten.
void cuda_draw(const AliasShape& shape, int layers, std::uint16_t* ids);
void cuda_histogram(const AliasShape& shape, int layers, std::int64_t* counts);

/// Draws, and counts every window of the choices for one number of ranks: one record per window, by
/// layer, then by window.
void cuda_windows(const AliasShape& shape, int layers, int window_tokens, int ranks,
                  RankRecord* records);

}  // namespace tollgate::kernels
