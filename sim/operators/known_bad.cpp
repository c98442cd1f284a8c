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

}  // namespace tollgate
