// Proves: the plain selection equals an oracle in double that shares no code with it, on random and
// on hostile logits. Where scores are compared the oracle may disagree only if its own margin is
// below the fixed-point error; exact ties must always fall to the lowest id.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "kernels/reference/select_experts.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

struct OracleChoice {
  std::vector<std::uint16_t> ids;
  double margin = 1e300;  ///< smallest non-zero difference that decided, over its allowed error
};

void sort_best_first(std::vector<int>& ids, const std::vector<double>& values) {
  std::stable_sort(ids.begin(), ids.end(), [&](int a, int b) { return values[a] > values[b]; });
}

double smallest_gap(const std::vector<int>& ids, const std::vector<double>& values,
                    const std::vector<double>& errors, int up_to) {
  double gap = 1e300;
  for (int i = 0; i < up_to && i + 1 < static_cast<int>(ids.size()); ++i) {
    const double d = values[ids[i]] - values[ids[i + 1]];
    if (d > 0) gap = std::min(gap, d / (errors[ids[i]] + errors[ids[i + 1]] + 1e-300));
  }
  return gap;
}

/// Scores in double, with the fixed-point error that the headers promise.
struct Scores {
  std::vector<double> value, error;

  Scores(ScoreFunction function, const std::vector<double>& x) : value(x), error(x.size()) {
    const double largest = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (const double v : x) sum += std::exp(v - largest);
    for (std::size_t e = 0; e < x.size(); ++e) {
      switch (function) {
        case ScoreFunction::softmax:
          value[e] = std::exp(x[e] - largest) / sum;
          error[e] = 5e-6 * value[e] + 3e-9;
          break;
        case ScoreFunction::sigmoid:
          value[e] = 1 / (1 + std::exp(-x[e]));
          error[e] = 2e-5;
          break;
        case ScoreFunction::sqrt_softplus:
          value[e] = std::sqrt(x[e] > 20 ? x[e] : std::log1p(std::exp(x[e])));
          error[e] = 2e-5;
          break;
        case ScoreFunction::identity:
          error[e] = 2e-5;
      }
    }
  }
};

OracleChoice oracle(const GateSpec& gate, const std::vector<double>& x,
                    const std::vector<double>& bias) {
  const int experts = static_cast<int>(x.size());
  const Scores scores(gate.score, x);
  const bool on_logit =
      gate.bias == BiasMode::on_logit || gate.bias == BiasMode::on_logit_and_weight;
  std::vector<double> rank_by = x, error(experts, 0.0);
  std::vector<double> term = scores.value, term_error = scores.error;
  if (on_logit) {
    for (int e = 0; e < experts && !bias.empty(); ++e) {
      rank_by[e] = std::max(x[e] + bias[e], -from_fixed(INT32_MAX, kLogitFraction));
    }
    term = rank_by;
    term_error = error;
  } else if (!bias.empty()) {
    for (int e = 0; e < experts; ++e) rank_by[e] = scores.value[e] + bias[e];
    error = scores.error;
    term = rank_by;
  }
  OracleChoice choice;
  std::vector<bool> allowed(gate.groups, true);
  const int size = experts / gate.groups;
  for (int g = 0; g < gate.groups && gate.each_group; ++g) {
    std::vector<int> members(size);
    std::iota(members.begin(), members.end(), g * size);
    sort_best_first(members, rank_by);
    const int each = gate.top_k / gate.groups;
    choice.margin = std::min(choice.margin, smallest_gap(members, rank_by, error, each));
    choice.ids.insert(choice.ids.end(), members.begin(), members.begin() + each);
  }
  if (gate.each_group) return choice;
  if (gate.groups_kept < gate.groups) {
    std::vector<double> values, errors;
    for (int g = 0; g < gate.groups; ++g) {
      std::vector<int> members(size);
      std::iota(members.begin(), members.end(), g * size);
      sort_best_first(members, rank_by);
      const int first = members[0];
      if (gate.group_reduce == GroupReduce::max) {
        values.push_back(rank_by[first]);
        errors.push_back(error[first]);
        continue;
      }
      values.push_back(term[first] + term[members[1]]);
      // The two best by fixed point may be others than these by as much as both errors.
      errors.push_back(2 * (term_error[first] + term_error[members[1]]));
    }
    std::vector<int> groups(gate.groups);
    std::iota(groups.begin(), groups.end(), 0);
    sort_best_first(groups, values);
    choice.margin = smallest_gap(groups, values, errors, gate.groups);
    for (int i = gate.groups_kept; i < gate.groups; ++i) allowed[groups[i]] = false;
  }
  std::vector<int> ids;
  for (int e = 0; e < experts; ++e) {
    if (allowed[e / size]) ids.push_back(e);
  }
  sort_best_first(ids, rank_by);
  choice.margin = std::min(choice.margin, smallest_gap(ids, rank_by, error, gate.top_k));
  choice.ids.assign(ids.begin(), ids.begin() + gate.top_k);
  return choice;
}

/// Logits on which gates usually go wrong.
std::vector<std::vector<double>> hostile_logits(int experts) {
  std::vector<std::vector<double>> all;
  all.emplace_back(experts, 0.0);
  all.emplace_back(experts, -2000.0);
  all.emplace_back(experts, 31.999);
  std::vector<double> one_hot(experts, -5.0);
  one_hot[experts - 1] = 9.0;
  all.push_back(one_hot);
  std::vector<double> pairs, groups_equal, falling, two_levels;
  for (int e = 0; e < experts; ++e) {
    pairs.push_back(static_cast<double>((e / 2) % 5) - 2);
    groups_equal.push_back(static_cast<double>(e % std::max(1, experts / 8)) / 16);
    falling.push_back(-static_cast<double>(e) / 64);
    two_levels.push_back(e % 3 == 0 ? 1.0 : -1.0);
  }
  for (const auto& v : {pairs, groups_equal, falling, two_levels}) all.push_back(v);
  // -inf, that is the lowest logit there is: everywhere, but for one hot expert, in every other
  // place, and in the first half, which empties groups.
  const double lowest = from_fixed(INT32_MIN, kLogitFraction);
  all.emplace_back(experts, lowest);
  std::vector<double> hot(experts, lowest), every_other(experts, lowest), half(experts, lowest);
  hot[experts / 3] = 20.0;
  for (int e = 0; e < experts; ++e) {
    if (e % 2 == 1) every_other[e] = static_cast<double>(e % 7) / 4;
    if (e >= experts / 2) half[e] = 1.0;
  }
  for (const auto& v : {hot, every_other, half}) all.push_back(v);
  return all;
}

GateSpec each_group(int top_k, int groups) {
  GateSpec gate = grouped_gate(ScoreFunction::softmax, top_k, groups, groups, GroupReduce::max);
  gate.each_group = true;
  return gate;
}

struct GateCase {
  std::string name;
  GateSpec gate;
  int experts;
  double bias_range;  ///< zero: no bias
  BiasMode mode = BiasMode::on_score;
};

std::vector<GateCase> gate_cases() {
  using enum ScoreFunction;
  return {
      {"softmax_64_6", gate_spec(softmax, 6), 64, 0},
      {"mixtral", gate_spec(softmax, 2), 8, 0},
      {"sigmoid", gate_spec(sigmoid, 8), 128, 0},
      {"sigmoid_bias", gate_spec(sigmoid, 8), 384, 0.2},
      {"sqrt_softplus_bias", gate_spec(sqrt_softplus, 6), 256, 8.08},
      {"identity_bias", gate_spec(identity, 4), 96, 3},
      {"llama4", gate_spec(sigmoid, 1), 16, 0},
      {"deepseek_v2", grouped_gate(softmax, 6, 8, 3, GroupReduce::max), 160, 0},
      {"deepseek_v3", grouped_gate(sigmoid, 8, 8, 4, GroupReduce::top2_sum), 256, 0},
      {"deepseek_v3_bias", grouped_gate(sigmoid, 8, 8, 4, GroupReduce::top2_sum), 256, 0.2},
      {"all_experts", gate_spec(softmax, 32), 32, 0},
      {"largest", gate_spec(sigmoid, 32), 1024, 0.1},
      {"longcat_vllm_reading", gate_spec(softmax, 12), 768, 0.002},
      {"pangu", each_group(8, 8), 64, 0},
      {"two_of_each_group_biased", each_group(8, 4), 64, 0.01},
      {"softmax_bias_on_score", gate_spec(softmax, 8), 64, 0.05},
      {"softmax_bias_on_logit", gate_spec(softmax, 8), 128, 1.5, BiasMode::on_logit},
      {"gpt_oss", gate_spec(softmax, 4), 32, 2, BiasMode::on_logit_and_weight},
      {"sigmoid_bias_on_logit", gate_spec(sigmoid, 8), 128, 1.5, BiasMode::on_logit},
      {"bias_on_logit_not_given", grouped_gate(sigmoid, 8, 8, 4, GroupReduce::top2_sum), 128, 0,
       BiasMode::on_logit},
      {"grouped_bias_on_logit", grouped_gate(softmax, 8, 8, 4, GroupReduce::top2_sum), 128, 1.5,
       BiasMode::on_logit},
      {"grouped_max_bias_on_score", grouped_gate(softmax, 6, 8, 3, GroupReduce::max), 160, 0.01},
      {"softmax_two_best", grouped_gate(softmax, 6, 8, 3, GroupReduce::top2_sum), 160, 0},
      {"softmax_two_best_biased", grouped_gate(softmax, 6, 8, 3, GroupReduce::top2_sum), 160, 0.01},
      {"sqrt_softplus_grouped", grouped_gate(sqrt_softplus, 6, 8, 4, GroupReduce::top2_sum), 64, 8},
  };
}

class Gates : public testing::TestWithParam<GateCase> {
 protected:
  /// True if the oracle's margin was too small to judge.
  bool check(const std::vector<double>& wanted) {
    const GateCase& test = GetParam();
    std::vector<std::int32_t> logits;
    std::vector<double> rounded, bias_real;
    for (const double x : wanted) {
      logits.push_back(to_fixed(x, kLogitFraction));
      rounded.push_back(from_fixed(logits.back(), kLogitFraction));
    }
    GateSpec spec = test.gate;
    if (test.bias_range > 0 || test.mode != BiasMode::on_score) spec.bias = test.mode;
    std::vector<std::int32_t> bias;
    if (test.bias_range > 0) {
      bias = paired_bias(test.experts, test.bias_range, bias_fraction(spec));
    }
    for (const std::int32_t b : bias) bias_real.push_back(from_fixed(b, bias_fraction(spec)));

    const Gate gate{spec, test.experts, bias.empty() ? nullptr : bias.data(), &score_tables()};
    std::vector<std::uint16_t> chosen(test.gate.top_k);
    select_experts(gate, logits, chosen);
    const OracleChoice expected = oracle(spec, rounded, bias_real);
    if (chosen == expected.ids) return false;
    EXPECT_LT(expected.margin, 1.0) << "clear decision missed";
    return true;
  }
};

INSTANTIATE_TEST_SUITE_P(Gates, Gates, testing::ValuesIn(gate_cases()),
                         [](const auto& test) { return test.param.name; });

TEST_P(Gates, RandomLogits) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal_logit(0, 2);
  int unresolved = 0;
  constexpr int kTokens = 2000;
  for (int t = 0; t < kTokens; ++t) {
    std::vector<double> x(GetParam().experts);
    for (double& v : x) v = normal_logit(random);
    unresolved += check(x) ? 1 : 0;
  }
  EXPECT_LE(unresolved, kTokens / 50);
}

TEST_P(Gates, CoarseLogitsWithManyTies) {
  std::mt19937_64 random(8);
  for (int t = 0; t < 2000; ++t) {
    std::vector<double> x(GetParam().experts);
    for (double& v : x) v = static_cast<double>(random() % 4) / 2 - 1;
    check(x);
  }
}

TEST_P(Gates, HostileLogits) {
  for (const auto& x : hostile_logits(GetParam().experts)) check(x);
}

TEST(GateTies, FallToTheLowestExpertAndGroup) {
  const GateSpec spec = grouped_gate(ScoreFunction::sigmoid, 3, 4, 2, GroupReduce::top2_sum);
  const Gate gate{spec, 16, nullptr, &score_tables()};
  std::vector<std::uint16_t> chosen(3);
  select_experts(gate, std::vector<std::int32_t>(16, 1 << 20), chosen);
  EXPECT_EQ(chosen, (std::vector<std::uint16_t>{0, 1, 2}));

  std::vector<std::int32_t> logits(16, 0);
  logits[9] = logits[10] = logits[13] = logits[14] = 1 << 20;
  select_experts(gate, logits, chosen);
  EXPECT_EQ(chosen, (std::vector<std::uint16_t>{9, 10, 13}));
}

}  // namespace
}  // namespace tollgate::kernels
