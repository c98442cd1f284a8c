#pragma once

#include <array>
#include <string_view>

#include "sim/spec/places.h"

namespace tollgate {

/// Storage format of a tensor.
enum class Precision { fp32, bf16, fp8, int8, nvfp4, mxfp4, int4 };

struct PrecisionInfo {
  Precision precision;
  std::string_view name;
  /// Bytes per element with the block scales counted in.
  double bytes;
  std::string_view note;
};

/// Bytes per element, scales included: fp8 is taken as 1 (DeepSeek's fp32 scale per 128x128 block
/// adds 0.02 %); NVFP4 carries an fp8 scale per 16 elements (4 bits + 8/16); OCP MXFP4 an 8-bit
/// exponent per 32 (4 bits + 8/32); int4 a bf16 scale per 32 (compressed-tensors g32, Kimi K2).
inline constexpr std::array<PrecisionInfo, 7> all_precisions{{
    {Precision::fp32, "fp32", 4.0, "IEEE single"},
    {Precision::bf16, "bf16", 2.0, "also stands for fp16"},
    {Precision::fp8, "fp8", 1.0, "E4M3, per-tensor or 128x128 block scales"},
    {Precision::int8, "int8", 1.0, "symmetric integer"},
    {Precision::nvfp4, "nvfp4", 0.5625, "E2M1 with an fp8 scale per 16"},
    {Precision::mxfp4, "mxfp4", 0.53125, "OCP MX: E2M1 with an E8M0 scale per 32"},
    {Precision::int4, "int4", 0.5625, "weights only, bf16 scale per 32"},
}};

constexpr const PrecisionInfo& info(Precision precision) {
  return all_precisions[static_cast<std::size_t>(precision)];
}
constexpr double bytes_per_element(Precision precision) { return info(precision).bytes; }

/// Storage format of each class of tensors; a model states what its publisher ships.
struct PrecisionMap {
  Precision embedding = Precision::bf16;  ///< token embedding and LM head
  Precision attention = Precision::bf16;  ///< projections of attention and linear mixers
  Precision dense_ffn = Precision::bf16;  ///< dense feed-forward layers
  Precision experts = Precision::bf16;    ///< routed experts
  Precision shared_experts = Precision::bf16;
  Precision router = Precision::bf16;
  Precision kv_cache = Precision::bf16;
  Precision index_cache = Precision::fp8;  ///< keys of a sparse-attention indexer
  Precision state = Precision::fp32;       ///< recurrent state of linear attention
  Places places;
};

}  // namespace tollgate
