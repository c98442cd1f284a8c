#pragma once
/// Routing problems that the tests of this room share.

#include <string>
#include <vector>

#include "kernels/core/fixed_point.h"
#include "kernels/problem.h"

namespace tollgate::kernels {

struct NamedProblem {
  std::string name;
  RoutingProblem problem;
};

inline GateSpec gate_spec(ScoreFunction score, int top_k) {
  GateSpec gate;
  gate.score = score;
  gate.top_k = top_k;
  return gate;
}

inline GateSpec grouped_gate(ScoreFunction score, int top_k, int groups, int kept,
                             GroupReduce reduce) {
  GateSpec gate = gate_spec(score, top_k);
  gate.groups = groups;
  gate.groups_kept = kept;
  gate.group_reduce = reduce;
  return gate;
}

/// A small problem with every statistic switched on.
inline RoutingProblem base_problem(const GateSpec& gate, int experts) {
  RoutingProblem problem;
  problem.gate = gate;
  problem.experts = experts;
  problem.popularity.sigma_global = 0.4;
  problem.seed = 0x1234567890ABCDEFu;
  problem.stream = 3;
  problem.layers = 3;
  problem.tokens = 700;
  problem.batch_sizes = {1, 7, 64, 256, 700};
  problem.rank_counts = {1};
  for (const int ranks : {4, 7, 8, 64}) {
    if (ranks <= experts) problem.rank_counts.push_back(ranks);
  }
  return problem;
}

/// A bias that ranges over +-`range`, the same for pairs of experts so that ties can occur.
inline std::vector<std::int32_t> paired_bias(int count, double range,
                                             int fraction = kScoreFraction) {
  std::vector<std::int32_t> bias;
  for (int e = 0; e < count; ++e) {
    bias.push_back(to_fixed(range * (((e / 2) * 37 % 101) / 50.0 - 1), fraction));
  }
  return bias;
}

/// Every gate, the shapes of well-known models, and settings that make the fast paths stumble:
/// saturated scores (many ties), hardly any noise, few experts, lop-sided groups.
inline std::vector<NamedProblem> all_problems() {
  using enum ScoreFunction;
  std::vector<NamedProblem> all;
  const auto add = [&](std::string name, RoutingProblem problem) {
    all.push_back({std::move(name), std::move(problem)});
  };
  add("softmax_64_6", base_problem(gate_spec(softmax, 6), 64));
  add("mixtral_8_2", base_problem(gate_spec(softmax, 2), 8));
  add("one_expert", base_problem(gate_spec(softmax, 1), 1));
  add("every_expert", base_problem(gate_spec(softmax, 16), 16));
  add("odd_count_67_5", base_problem(gate_spec(sigmoid, 5), 67));
  add("llama4_128_1", base_problem(gate_spec(sigmoid, 1), 128));
  add("kimi_k3_896_16", base_problem(gate_spec(sigmoid, 16), 896));
  add("limits_1024_32", base_problem(gate_spec(softmax, 32), 1024));
  add("deepseek_v2_160_6", base_problem(grouped_gate(softmax, 6, 8, 3, GroupReduce::max), 160));
  add("deepseek_v3_256_8",
      base_problem(grouped_gate(sigmoid, 8, 8, 4, GroupReduce::top2_sum), 256));
  add("pairs_in_64_groups",
      base_problem(grouped_gate(sigmoid, 8, 64, 4, GroupReduce::top2_sum), 128));

  RoutingProblem domains = base_problem(gate_spec(softmax, 8), 128);
  domains.popularity = {0.3, 0.9, 0.4, 3, 5, 11};
  add("domains_and_topics", domains);

  RoutingProblem uniform = base_problem(gate_spec(softmax, 8), 256);
  uniform.popularity = {};
  add("uniform", uniform);

  RoutingProblem biased = base_problem(grouped_gate(sigmoid, 8, 8, 4, GroupReduce::top2_sum), 256);
  biased.gate.bias = BiasMode::on_score;
  biased.bias = paired_bias(256, 0.2);
  add("deepseek_v3_biased", biased);

  RoutingProblem per_layer = base_problem(gate_spec(sqrt_softplus, 6), 384);
  per_layer.gate.bias = BiasMode::on_score;
  per_layer.bias = paired_bias(384 * per_layer.layers, 8.08);
  add("deepseek_v4_bias_per_layer", per_layer);

  RoutingProblem linear = base_problem(gate_spec(identity, 4), 96);
  linear.gate.bias = BiasMode::on_score;
  linear.bias = paired_bias(96, 3);
  add("identity_biased", linear);

  RoutingProblem on_logit = base_problem(gate_spec(softmax, 8), 128);
  on_logit.gate.bias = BiasMode::on_logit;
  on_logit.bias = paired_bias(128, 1.5, kLogitFraction);
  add("softmax_bias_on_logit", on_logit);
  on_logit.gate = grouped_gate(softmax, 8, 8, 4, GroupReduce::top2_sum);
  on_logit.gate.bias = BiasMode::on_logit;
  add("softmax_bias_on_logit_grouped", on_logit);

  RoutingProblem gpt_oss = base_problem(gate_spec(softmax, 4), 32);
  gpt_oss.gate.bias = BiasMode::on_logit_and_weight;
  gpt_oss.bias = paired_bias(32 * gpt_oss.layers, 2, kLogitFraction);
  add("gpt_oss_32_4_biased", gpt_oss);

  RoutingProblem probabilities = base_problem(gate_spec(softmax, 8), 64);
  probabilities.gate.bias = BiasMode::on_score;
  probabilities.bias = paired_bias(64, 0.02, kSoftmaxFraction);
  add("softmax_bias_on_score", probabilities);

  RoutingProblem grouped_softmax =
      base_problem(grouped_gate(softmax, 6, 8, 3, GroupReduce::top2_sum), 160);
  add("softmax_groups_by_two_best", grouped_softmax);
  grouped_softmax.gate.bias = BiasMode::on_score;
  grouped_softmax.bias = paired_bias(160, 0.01, kSoftmaxFraction);
  grouped_softmax.popularity = {0.3, 0.9, 0.4, 3, 5, 11};
  add("softmax_groups_and_bias", grouped_softmax);

  RoutingProblem longcat = base_problem(gate_spec(softmax, 12), 512);
  longcat.gate.zero_experts = 256;
  add("longcat_512_256_12", longcat);
  longcat.gate.bias = BiasMode::on_score;
  longcat.bias = paired_bias(768, 0.002, kSoftmaxFraction);
  longcat.tokens = 300;
  longcat.batch_sizes = {1, 7, 64, 256};
  add("longcat_biased", longcat);

  RoutingProblem hardly_real = base_problem(gate_spec(sigmoid, 3), 5);
  hardly_real.gate.zero_experts = 40;  // many windows without any assignment
  hardly_real.gate.shared_slots = 2;
  add("mostly_zero_experts_and_shared", hardly_real);

  RoutingProblem shared = base_problem(grouped_gate(sigmoid, 8, 8, 4, GroupReduce::top2_sum), 256);
  shared.gate.shared_slots = 1;
  add("shared_as_slot", shared);

  RoutingProblem hash = base_problem(gate_spec(sqrt_softplus, 6), 256);
  hash.gate.hash = true;
  hash.gate.shared_slots = 1;
  add("deepseek_v4_hash", hash);
  hash.hash.law = UnigramLaw::uniform;
  hash.hash.vocabulary = 50;
  for (int i = 0; i < 50 * 6; ++i) {
    hash.hash.table.push_back(static_cast<std::uint16_t>(i * 7 % 256));
  }
  add("hash_table_given", hash);
  for (int i = 0; i < 2 * 50 * 6; ++i) {
    hash.hash.table.push_back(static_cast<std::uint16_t>(255 - i * 5 % 256));
  }
  add("hash_table_per_layer", hash);

  RoutingProblem pangu = base_problem(grouped_gate(softmax, 8, 8, 8, GroupReduce::max), 64);
  pangu.gate.each_group = true;
  add("pangu_one_of_each_group", pangu);
  pangu.gate.groups = pangu.gate.groups_kept = 4;
  pangu.gate.bias = BiasMode::on_score;
  pangu.bias = paired_bias(64, 0.01, kSoftmaxFraction);
  add("two_of_each_group_biased", pangu);

  RoutingProblem saturated = biased;
  saturated.popularity.sigma_global = 16;
  saturated.bias = std::vector<std::int32_t>(256, 0);
  add("saturated_scores_tie", saturated);

  RoutingProblem steep = base_problem(gate_spec(softmax, 8), 256);
  steep.popularity = {16, 16, 16, 2, 2, 1};
  add("steep", steep);

  RoutingProblem lopsided =
      base_problem(grouped_gate(sigmoid, 8, 8, 4, GroupReduce::top2_sum), 256);
  lopsided.popularity.sigma_global = 4;
  add("lopsided_groups", lopsided);
  return all;
}

}  // namespace tollgate::kernels
