#include "kernels/problem.h"

#include <stdexcept>
#include <string>

#include "kernels/core/fixed_point.h"

namespace tollgate::kernels {
namespace {

using std::to_string;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

void validate_gate(const GateSpec& gate, int experts) {
  require(gate.top_k >= 1,
          "The gate's top_k is " + to_string(gate.top_k) + ", but must be at least 1.");
  require(gate.top_k <= experts, "The gate's top_k is " + to_string(gate.top_k) +
                                     ", but there are only " + to_string(experts) + " experts.");
  require(gate.top_k <= kMaxTopK, "The gate's top_k is " + to_string(gate.top_k) +
                                      ", but the routing engine supports at most " +
                                      to_string(kMaxTopK) + ".");
  require(gate.groups >= 1 && gate.groups <= kMaxGroups, "The gate has " + to_string(gate.groups) +
                                                             " groups, but must have 1 to " +
                                                             to_string(kMaxGroups) + ".");
  require(experts % gate.groups == 0, "The gate's " + to_string(gate.groups) +
                                          " groups do not divide the " + to_string(experts) +
                                          " experts evenly.");
  require(gate.groups_kept >= 1 && gate.groups_kept <= gate.groups,
          "The gate keeps " + to_string(gate.groups_kept) + " of " + to_string(gate.groups) +
              " groups, but must keep at least one and at most all of them.");
  const int group_size = experts / gate.groups;
  require(gate.groups_kept * group_size >= gate.top_k,
          "The gate's top_k is " + to_string(gate.top_k) + ", but its " +
              to_string(gate.groups_kept) + " kept groups hold only " +
              to_string(gate.groups_kept * group_size) + " experts.");
  if (gate.groups > 1 && gate.group_reduce == GroupReduce::top2_sum) {
    require(group_size >= 2,
            "The gate values groups by their two best experts, but a group holds only one.");
    require(gate.score != ScoreFunction::softmax,
            "Groups valued by the sum of two softmax scores are not supported; use sigmoid scores "
            "or the maximum.");
  }
  require(gate.bias == BiasMode::none || gate.score != ScoreFunction::softmax,
          "A bias on softmax scores is not supported.");
}

void validate_popularity(const PopularitySpec& p, int layers, int experts) {
  for (const double sigma : {p.sigma_global, p.sigma_domain, p.sigma_topic}) {
    require(sigma >= 0 && sigma <= 16,
            "A popularity sigma is " + to_string(sigma) + ", but must be between 0 and 16.");
  }
  require(p.domains >= 1 && p.domains <= 4096 && p.topics >= 1 && p.topics <= 4096 &&
              p.domains * p.topics <= 4096,
          "Popularity has " + to_string(p.domains) + " domains of " + to_string(p.topics) +
              " topics, but must have at least one of each and at most 4096 pairs.");
  require(static_cast<long long>(layers) * experts * p.domains * p.topics <= (1ll << 26),
          "The popularity table of layers x domains x topics x experts would have more than 2^26 "
          "entries; "
          "draw fewer layers or topics.");
  require(p.tokens_per_sequence >= 1, "Popularity has " + to_string(p.tokens_per_sequence) +
                                          " tokens per sequence, but must have at least 1.");
}

}  // namespace

void validate(const RoutingProblem& problem) {
  const int experts = problem.experts;
  require(experts >= 1 && experts <= kMaxExperts, "The number of experts is " + to_string(experts) +
                                                      ", but must be 1 to " +
                                                      to_string(kMaxExperts) + ".");
  require(problem.layers >= 1 && problem.layers <= 4096,
          "The number of layers is " + to_string(problem.layers) + ", but must be 1 to 4096.");
  require(problem.tokens >= 1 && problem.tokens <= (1 << 24),
          "The number of tokens is " + to_string(problem.tokens) + ", but must be 1 to 2^24.");
  validate_gate(problem.gate, experts);
  validate_popularity(problem.popularity, problem.layers, experts);

  if (!problem.bias.empty()) {
    require(problem.gate.bias == BiasMode::on_score, "A bias is given, but the gate takes none.");
    const auto all = static_cast<std::size_t>(problem.layers) * experts;
    require(problem.bias.size() == static_cast<std::size_t>(experts) || problem.bias.size() == all,
            "The bias has " + to_string(problem.bias.size()) +
                " values, but must have one per expert (" + to_string(experts) +
                ") or one per layer and expert (" + to_string(all) + ").");
    for (const std::int32_t b : problem.bias) {
      require(b >= -(16 << kScoreFraction) && b <= (16 << kScoreFraction),
              "A bias is " + to_string(from_fixed(b, kScoreFraction)) +
                  ", but must be between -16 and 16.");
    }
  }
  if (!problem.log_popularity.empty()) {
    const auto all = static_cast<std::size_t>(problem.layers) * experts;
    const std::size_t given = problem.log_popularity.size();
    require(given == static_cast<std::size_t>(experts) || given == all,
            "The given popularity has " + to_string(given) +
                " values, but must have one per expert (" + to_string(experts) +
                ") or one per layer and expert (" + to_string(all) + ").");
    for (const std::int32_t x : problem.log_popularity) {
      require(x >= -(64 << kLogitFraction) && x <= (64 << kLogitFraction),
              "The logarithm of a given popularity is " + to_string(from_fixed(x, kLogitFraction)) +
                  ", but must be between -64 and 64.");
    }
  }
  for (const int size : problem.batch_sizes) {
    require(size >= 1 && size <= problem.tokens, "A batch size is " + to_string(size) +
                                                     ", but must be 1 to the " +
                                                     to_string(problem.tokens) + " tokens drawn.");
  }
  for (const int ranks : problem.rank_counts) {
    require(ranks >= 1 && ranks <= experts, "A rank count is " + to_string(ranks) +
                                                ", but must be 1 to the " + to_string(experts) +
                                                " experts.");
  }
}

}  // namespace tollgate::kernels
