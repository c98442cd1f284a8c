#pragma once
/// Generator problems that the tests of this room share.

#include <string>
#include <vector>

#include "kernels/generator/generator_spec.h"

namespace tollgate::kernels {

struct NamedGenerator {
  std::string name;
  GeneratorProblem problem;
};

inline GeneratorProblem generator_problem(int experts, int top_k, double stickiness, int run) {
  GeneratorProblem problem;
  problem.experts = experts;
  problem.top_k = top_k;
  problem.layers = 3;
  problem.tokens = 333;
  problem.seed = 0xFEDCBA9876543210u;
  problem.stream = 5;
  problem.spec.sigma_global = 0.3;
  problem.spec.sigma_domain = 0.6;
  problem.spec.sigma_topic = 0.2;
  problem.spec.stickiness = stickiness;
  problem.spec.domains = 3;
  problem.spec.topics = 4;
  problem.spec.tokens_per_sequence = run;
  return problem;
}

/// The shapes of well-known models as decode (every token its own sequence) and prefill (sticky),
/// and settings in which proposals run out.
inline std::vector<NamedGenerator> all_generators() {
  std::vector<NamedGenerator> all;
  const auto add = [&](std::string name, GeneratorProblem problem) {
    all.push_back({std::move(name), std::move(problem)});
  };
  constexpr int kShapes[][2] = {{8, 2},   {64, 6},   {128, 8}, {256, 8},
                                {384, 6}, {512, 10}, {896, 16}};
  for (const auto& [experts, top_k] : kShapes) {
    const std::string shape = std::to_string(experts) + "_" + std::to_string(top_k);
    add("decode_" + shape, generator_problem(experts, top_k, 0.0, 1));
    add("prefill_" + shape, generator_problem(experts, top_k, 0.2, 37));
  }
  add("one_expert", generator_problem(1, 1, 0.5, 10));
  add("top_1", generator_problem(64, 1, 0.3, 20));
  add("odd_67_5", generator_problem(67, 5, 0.1, 11));
  add("limits_1024_32", generator_problem(1024, 32, 0.2, 50));
  add("every_expert", generator_problem(16, 16, 0.2, 50));

  GeneratorProblem steep = generator_problem(128, 8, 0.9, 40);
  steep.spec.sigma_global = steep.spec.sigma_domain = 4;
  add("steep_and_sticky", steep);

  GeneratorProblem moving = generator_problem(64, 6, 0.15, 25);
  moving.spec.layer_jitter = 0.3;
  moving.spec.topic_hold = 0.7;
  moving.spec.shared_topics = false;
  moving.spec.drift = 0.9;
  moving.window = 3;
  add("topics_drift_and_jitter", moving);

  GeneratorProblem weighted = generator_problem(32, 4, 0.1, 16);
  weighted.layers = 2;
  for (std::uint32_t i = 0; i < 64; ++i) weighted.weights.push_back(i % 7 == 0 ? 0 : i * i * i);
  add("given_weights", weighted);

  GeneratorProblem layout = generator_problem(64, 6, 0.2, 1);
  layout.tokens = 0;
  layout.sequences = {{2, 100}, {0, 1}, {1, 57}, {2, 3}};
  add("given_sequences", layout);
  return all;
}

}  // namespace tollgate::kernels
