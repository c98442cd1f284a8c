#pragma once

#include "kernels/backend.h"

/// Gates of well-known models and batch sizes, for the benchmarks of the host and of the device.

namespace tollgate::kernels {

struct Shape {
  const char* name;  ///< of the host's benchmarks
  const char* text;  ///< of the device's tables
  int experts;
  int top_k;
  int groups;
  int groups_kept;
};

inline constexpr Shape kShapes[] = {
    {"64_6", "64, 6", 64, 6, 1, 1},      {"128_8", "128, 8", 128, 8, 1, 1},
    {"256_8", "256, 8", 256, 8, 1, 1},   {"256_8_grouped", "256, 8, 4 of 8 groups", 256, 8, 8, 4},
    {"384_6", "384, 6", 384, 6, 1, 1},   {"512_10", "512, 10", 512, 10, 1, 1},
    {"896_16", "896, 16", 896, 16, 1, 1}};
inline constexpr int kTokens[] = {128, 8192, 1 << 20};

/// Tokens of mixed traffic through such a gate, its scores by the sigmoid.
inline RoutingProblem routing_problem(const Shape& shape, int tokens) {
  RoutingProblem problem;
  problem.gate.score = ScoreFunction::sigmoid;
  problem.gate.top_k = shape.top_k;
  problem.gate.groups = shape.groups;
  problem.gate.groups_kept = shape.groups_kept;
  problem.gate.group_reduce = GroupReduce::top2_sum;
  problem.experts = shape.experts;
  problem.popularity = {0.3, 0.6, 0.2, 4, 8, 1};
  problem.seed = 1;
  problem.tokens = tokens;
  return problem;
}

}  // namespace tollgate::kernels
