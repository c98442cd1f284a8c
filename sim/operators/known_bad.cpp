#include "sim/operators/known_bad.h"

#include <array>
#include <span>

#include "sim/operators/attention_tables.h"
#include "sim/operators/gemm_tables.h"

namespace tollgate {
namespace {

// Two ranks reach 20 GB/s. Over PCIe the engines' own all-reduces leave more to NCCL.
constexpr std::string_view l40s_peers =
    "more than 2 ranks: peer-to-peer broken on that host, 4 to 5 GB/s on 4 ranks, 1 GB/s on 8, of "
    "a "
    "32 GB/s link";

// All in aiconfigurator 095f58a5.
constexpr std::array<KnownBad, 6> bad_tables{{
    {"all_reduce", "", "", "", "SGLang_CustomAllReduce_eager",
     "launched without a CUDA graph: 20 to 70 us of host time"},
    {"all_reduce", "", "", "", "vLLM_custom_eager",
     "launched without a CUDA graph: 20 to 70 us of host time"},
    {"all_reduce", "L40S", "", "", "", l40s_peers, 2},
    {"reduce_scatter", "L40S", "nccl", "", "", l40s_peers, 2},
    {"all_gather", "L40S", "nccl", "", "", l40s_peers, 2},
    {"all_to_all", "L40S", "nccl", "", "", l40s_peers, 2},
}};

// The same kernels, precision and version. On one sequence and 16 heads a decode step takes 41 to
// 68 us on B200, 77 to 107 on B300, 78 to 108 on GB200 and 79 to 108 on GB300: 35 to 40 us more at
// every context from 1 to 32,768. A prompt of 16,384 tokens takes 1.56 ms, 2.05, 2.06 and 1.99:
// 30 ns more for each token, with 128 heads 100. TensorRT-LLM's take the same time on all four.
constexpr std::string_view fused_elsewhere =
    "another state of the engine: faster than on B300, GB200 and GB300, which agree within 6 %, by "
    "35 to 40 us a call and 30 to 100 ns a token, whatever the context";
constexpr std::array<KnownBad, 2> standing_alone{{
    {"mla_prefill_module", "B200-SXM", "vllm", "", "", fused_elsewhere},
    {"mla_decode_module", "B200-SXM", "vllm", "", "", fused_elsewhere},
}};

bool matches(std::string_view pattern, std::string_view text) {
  return pattern.empty() || pattern == text;
}

/// A kernel of a library, "fa3.d128", is named by the library too.
bool matches_kernel(std::string_view pattern, std::string_view text) {
  return matches(pattern, text) || matches(pattern, text.substr(0, text.find('.')));
}

std::string_view reason_among(std::span<const KnownBad> tables, std::string_view hardware,
                              const OperatorKey& key, std::span<const double> shape) {
  for (const KnownBad& bad : tables) {
    if (bad.ranks_above > 0 && (shape.empty() || shape.front() <= bad.ranks_above)) continue;
    if (matches(bad.op, key.op) && matches(bad.hardware, hardware) &&
        matches(bad.backend, key.backend) && matches(bad.precision, key.precision) &&
        matches_kernel(bad.kernel, key.kernel)) {
      return bad.reason;
    }
  }
  return {};
}

}  // namespace

std::string_view known_bad_reason(std::string_view hardware, const OperatorKey& key) {
  return known_bad_reason(hardware, key, {});
}

std::string_view known_bad_reason(std::string_view hardware, const OperatorKey& key,
                                  std::span<const double> shape) {
  for (const std::span<const KnownBad> tables :
       {std::span<const KnownBad>(bad_tables), attention_known_bad(), product_known_bad()}) {
    const std::string_view reason = reason_among(tables, hardware, key, shape);
    if (!reason.empty()) return reason;
  }
  return {};
}

std::string_view stands_alone_reason(std::string_view hardware, const OperatorKey& key) {
  return reason_among(standing_alone, hardware, key, {});
}

}  // namespace tollgate
