#pragma once

#include <string>
#include <string_view>

namespace tollgate {

/// Attention libraries compile one kernel per head dimension, and pick another one where query
/// heads do not share a key-value head, where very many do, or where a window bounds the context.
/// These kernels differ several-fold, so each has parameters of its own. OperatorKey::kernel holds
/// the library's label and what tells its kernels apart, as written by these functions.

/// "fa3" and 128: "fa3.d128". Head dimensions are those compiled for: 64, 128, 192, 256, 512; one
/// between them runs on the next larger, as FlashAttention pads.
std::string prefill_kernel(std::string_view library, double head_dim);

/// "fa3.d128", then ".mha" for one query head per key-value head, ".wide" for more than 32 (where
/// TensorRT-LLM leaves XQA), or ".mqa" for fewer over a single one (where FlashAttention 2 needs no
/// transposed copies of queries and outputs: A100 13 instead of 21 us), then ".window" if
/// window > 0 (where FlashAttention 2 stops packing).
std::string decode_kernel(std::string_view library, double head_dim, double heads, double kv_heads,
                          double window);

/// Of latent attention: the library's label, then ".mha" for a single head in Triton's (SGLang,
/// decode_attention.py: groups of one take another kernel), or ".xqa" where TensorRT-LLM takes
/// XQA's: on RTX cards of Blackwell for 128 heads over an fp8 cache (decoderXQAImplJIT). The
/// architecture is architecture_of()'s.
std::string latent_decode_kernel(std::string_view library, std::string_view backend,
                                 std::string_view architecture, std::string_view cache,
                                 double heads);

/// The library of a kernel: what its name begins with, up to the first dot; of attention the
/// library that engines call by names of their own: "flash_attention" of "fa3.d128",
/// "vllm_flash_attn_fa2.d128". Versions 2 to 4 are one: each architecture has the one that its
/// instructions allow (mma.sync 2, wgmma 3).
std::string_view kernel_library(std::string_view kernel);

}  // namespace tollgate
