#pragma once

#include <span>
#include <vector>

#include "sim/operators/known_bad.h"
#include "sim/operators/table.h"

namespace tollgate {

/// Dense, batched and grouped products and the quantisation before them.
std::span<const OperatorCurve* const> product_curves();

/// Published layouts of dense products, activation quantisation and the products around MLA decode
/// (aiconfigurator 095f58a5: gemm_perf, scale_matrix_perf, mla_bmm_perf).
std::vector<TableFormat> gemm_tables();

/// Published layouts of expert layers (moe_perf, wideep_moe_perf).
std::vector<TableFormat> moe_tables();

std::span<const KnownBad> product_known_bad();

}  // namespace tollgate
