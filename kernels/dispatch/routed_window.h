#pragma once
/// The choices of one stream of tokens, wherever they come from: a gate, an alias table, a trace.

#include <cstdint>
#include <vector>

#include "kernels/dispatch/study.h"

namespace tollgate::kernels {

struct RoutedWindow {
  int experts = 0;
  int zero_experts = 0;  ///< ids from `experts` on: chosen, but without work
  int layers = 1;
  int tokens = 0;  ///< per layer
  int top_k = 1;
  std::vector<std::uint16_t> ids;  ///< [(layer * tokens + token) * top_k + slot]

  Selections selections() const { return {ids, layers, tokens, top_k}; }
};

}  // namespace tollgate::kernels
