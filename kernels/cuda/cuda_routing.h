#pragma once
/// The border between host C++ and the CUDA source: plain pointers, no CUDA headers.

#include <cstdint>
#include <string>

#include "kernels/core/gate_spec.h"
#include "kernels/core/math_tables.h"
#include "kernels/core/window_stats.h"

namespace tollgate::kernels {

/// Everything the device needs; all pointers are to host memory.
struct CudaProblem {
  GateSpec gate;
  int experts;  ///< with weights
  int choices;  ///< experts and zero experts
  int layers;
  int tokens;
  int contexts;
  std::uint64_t seed;
  std::uint32_t stream;
  const std::int32_t* popularity;       ///< [layer][context][choice]
  const std::uint16_t* token_contexts;  ///< [token]
  const std::int32_t* bias;             ///< [layer][choice] or null
  bool evaluates_all;                   ///< see `evaluates_all` in core/gate.h
  const std::uint32_t* token_ids;       ///< [token], or null if no hash routing
  const std::uint16_t* hash_table;      ///< as in HashSpec, or null
  long long hash_entries;
  long long hash_layer_stride;
  const GumbelTables* gumbel;
  const ScoreTables* scores;
  const int* rank_counts;
  int rank_count_number;
};

/// Tokens routed on the device. Owns device memory.
/// All members throw std::runtime_error with file, line and CUDA error name if the device fails.
class CudaRouting {
 public:
  explicit CudaRouting(const CudaProblem& problem);
  ~CudaRouting();
  CudaRouting(const CudaRouting&) = delete;
  CudaRouting& operator=(const CudaRouting&) = delete;

  /// Copies the chosen experts, [layer][token][slot].
  void copy_ids(std::uint16_t* ids) const;

  /// Adds to `expert_tokens` [layer][expert] and `destinations` [rank count].
  void count_tokens(std::int64_t* expert_tokens, std::int64_t* destinations) const;

  /// Fills the records of all windows of one batch size: windows[layer * n + w] with
  /// n = tokens / batch_size, ranks[(layer * n + w) * rank counts + r].
  void count_windows(int batch_size, WindowRecord* windows, RankRecord* ranks) const;

 private:
  struct Impl;
  Impl* impl_;
};

/// Empty if a device can be used, else the reason. Never throws, needs no driver.
std::string cuda_unavailable_reason();

}  // namespace tollgate::kernels
