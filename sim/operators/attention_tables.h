#pragma once

#include <span>
#include <vector>

#include "sim/operators/known_bad.h"
#include "sim/operators/table.h"

namespace tollgate {

/// Curves of attention: prefill, decode, multi-head latent, linear, sparse.
std::span<const OperatorCurve* const> attention_curves();

/// Published layouts of attention times: aiconfigurator's tables of context and generation
/// attention, MLA kernels and modules, GDN, KDA and Mamba-2 kernels, and the modules of sparse
/// attention. Precisions: of prefill kernels fp8 (cache and products), w8a16 (cache only) or
/// bf16; of decode kernels the cache's; of modules the projections', with the cache's in the
/// kernel's name.
std::vector<TableFormat> attention_tables();

/// Published tables of attention that measure something else than they say.
std::span<const KnownBad> attention_known_bad();

}  // namespace tollgate
