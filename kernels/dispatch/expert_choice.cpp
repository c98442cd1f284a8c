#include "kernels/dispatch/expert_choice.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>

#include "kernels/dispatch/token_logits.h"

namespace tollgate::kernels {
namespace {

using std::to_string;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

ExpertChoice empty_choice(const RoutingProblem& problem, double factor) {
  validate(problem);
  const GateSpec& gate = problem.gate;
  require(gate.groups_kept == gate.groups && gate.zero_experts == 0 && !gate.hash &&
              problem.bias.empty(),
          "Experts that choose tokens take no groups, bias, hash table or zero experts.");
  require(static_cast<std::int64_t>(problem.tokens) * problem.experts <= (1ll << 28),
          "Expert choice compares tokens x experts scores per layer, " +
              to_string(static_cast<std::int64_t>(problem.tokens) * problem.experts) +
              " here, but at most 2^28; draw fewer tokens.");
  ExpertChoice choice;
  choice.layers = problem.layers;
  choice.experts = problem.experts;
  choice.tokens = problem.tokens;
  choice.capacity = expert_choice_capacity(problem.tokens, problem.experts, factor);
  const std::size_t rows = static_cast<std::size_t>(problem.layers) * problem.experts;
  choice.tokens_of_expert.resize(rows * choice.capacity);
  choice.experts_of_token.resize(static_cast<std::size_t>(problem.layers) * problem.tokens);
  return choice;
}

void count_experts_of_tokens(ExpertChoice& choice) {
  const std::size_t per_layer = static_cast<std::size_t>(choice.experts) * choice.capacity;
  for (std::size_t i = 0; i < choice.tokens_of_expert.size(); ++i) {
    ++choice.experts_of_token[i / per_layer * choice.tokens + choice.tokens_of_expert[i]];
  }
}

/// Larger is better: score, then the lower token id.
std::int64_t token_key(std::int32_t score, int token) {
  return static_cast<std::int64_t>(score) * (std::int64_t{1} << 32) + (0x7FFFFFFF - token);
}

}  // namespace

std::int64_t ExpertChoice::unserved() const {
  return std::count(experts_of_token.begin(), experts_of_token.end(), 0);
}

int ExpertChoice::most_experts() const {
  return experts_of_token.empty()
             ? 0
             : *std::max_element(experts_of_token.begin(), experts_of_token.end());
}

int expert_choice_capacity(int tokens, int experts, double factor) {
  require(tokens >= 1 && experts >= 1, "Expert choice needs at least one token and one expert.");
  require(factor > 0 && factor <= experts,
          "The capacity factor of expert choice is " + to_string(factor) +
              ", but must be above 0 and at most the " + to_string(experts) + " experts.");
  constexpr std::int64_t kMillion = 1'000'000;
  const std::int64_t unit = experts * kMillion;
  const std::int64_t wanted = (std::llround(factor * kMillion) * tokens + unit - 1) / unit;
  return static_cast<int>(std::clamp<std::int64_t>(wanted, 1, tokens));
}

ExpertChoice expert_choice_reference(const RoutingProblem& problem, double factor) {
  ExpertChoice choice = empty_choice(problem, factor);
  const TokenLogits logits(problem);
  std::vector<std::vector<std::int32_t>> scores(problem.tokens,
                                                std::vector<std::int32_t>(problem.experts));
  std::int32_t* out = choice.tokens_of_expert.data();
  std::vector<int> order(problem.tokens);
  for (int layer = 0; layer < problem.layers; ++layer) {
    for (int token = 0; token < problem.tokens; ++token) {
      logits.fill(layer, token, scores[token]);
      scores_of(problem.gate.score, scores[token]);
    }
    for (int e = 0; e < problem.experts; ++e) {
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(),
                       [&](int a, int b) { return scores[a][e] > scores[b][e]; });
      out = std::copy_n(order.begin(), choice.capacity, out);
    }
  }
  count_experts_of_tokens(choice);
  return choice;
}

ExpertChoice expert_choice(const RoutingProblem& problem, double factor) {
  ExpertChoice choice = empty_choice(problem, factor);
  const TokenLogits logits(problem);
  const int experts = problem.experts;
  const std::size_t tokens = problem.tokens;
  std::vector<std::int32_t> scores(tokens * experts);  // [expert][token]
  for (int layer = 0; layer < problem.layers; ++layer) {
    tbb::parallel_for(std::size_t{0}, tokens, [&](std::size_t token) {
      std::int32_t storage[kMaxExperts];
      const std::span<std::int32_t> row(storage, static_cast<std::size_t>(experts));
      logits.fill(layer, static_cast<int>(token), row);
      scores_of(problem.gate.score, row);
      for (int e = 0; e < experts; ++e) scores[e * tokens + token] = row[e];
    });
    tbb::parallel_for(0, experts, [&](int e) {
      std::vector<std::int64_t> keys(tokens);
      for (std::size_t t = 0; t < tokens; ++t) {
        keys[t] = token_key(scores[e * tokens + t], static_cast<int>(t));
      }
      const auto end = keys.begin() + choice.capacity;
      std::nth_element(keys.begin(), end - 1, keys.end(), std::greater<>());
      std::sort(keys.begin(), end, std::greater<>());
      std::int32_t* out = choice.tokens_of_expert.data() +
                          (static_cast<std::size_t>(layer) * experts + e) * choice.capacity;
      for (auto key = keys.begin(); key != end; ++key) {
        *out++ = 0x7FFFFFFF - static_cast<std::int32_t>(*key & 0x7FFFFFFF);
      }
    });
  }
  count_experts_of_tokens(choice);
  return choice;
}

}  // namespace tollgate::kernels
