#include <array>

#include "sim/operators/attention_tables.h"

namespace tollgate {
namespace {

constexpr std::string_view eager =
    "launched without a CUDA graph: 150 us to 1 ms of host time in every call";
constexpr std::string_view latent_fp8 =
    "reads the latents at 7 % of the memory bandwidth: not the kernel that serves";

constexpr std::string_view few_channels =
    "the same for 6144 and 12288 channels and up to 4 times faster than memory: not so many ran";
constexpr std::string_view same_channels =
    "31.5, 31.4, 31.2, 31.2 us for 6144, 8192, 10240, 12288 channels of 1024 sequences, where all "
    "other devices take twice as long for twice as many: not so many ran";

// All in aiconfigurator 095f58a5.
constexpr std::array<KnownBad, 18> bad_tables{{
    {"decode_attention", "A100-SXM", "trtllm", "", "",
     "long contexts are read at up to 1.6 times the memory bandwidth: their pages alias"},
    {"prefill_attention", "B200-SXM", "sglang", "", "triton", "not the kernel that serves"},
    {"decode_attention", "B200-SXM", "sglang", "", "triton", "not the kernel that serves"},
    {"mla_prefill", "", "vllm", "", "vllm_triton_mla", eager},
    {"mla_prefill", "", "vllm", "", "vllm_flash_attn_mla", eager},
    {"mla_prefill", "", "vllm", "", "vllm_flashmla", eager},
    {"mla_decode", "", "vllm", "", "vllm_triton_mla", eager},
    {"mla_decode", "", "vllm", "", "vllm_flash_attn_mla", eager},
    {"mla_decode", "", "vllm", "", "vllm_flashmla", eager},
    {"mla_decode", "H100-SXM", "sglang", "fp8", "flash_attention", latent_fp8},
    {"mla_decode", "H200-SXM", "sglang", "fp8", "flash_attention", latent_fp8},
    {"mla_prefill_module", "", "sglang", "", "wideep_fa3", eager},
    {"mla_prefill_module", "", "sglang", "", "wideep_flashinfer", eager},
    {"mla_prefill_module", "", "sglang", "", "wideep_trtllm_mla", eager},
    {"short_convolution", "", "vllm", "", "causal_conv1d_fn_qkv3", eager},
    {"short_convolution", "A100-SXM", "sglang", "", "causal_conv1d_fn", few_channels},
    {"short_convolution", "A100-SXM", "sglang", "", "causal_conv1d_update", same_channels},
    {"short_convolution", "", "trtllm", "", "causal_conv1d_fn", few_channels},
}};

}  // namespace

std::span<const KnownBad> attention_known_bad() { return bad_tables; }

}  // namespace tollgate
