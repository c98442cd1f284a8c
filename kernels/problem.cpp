#include "kernels/problem.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/core/fixed_point.h"
#include "kernels/core/gate.h"

namespace tollgate::kernels {
namespace {

using std::to_string;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

/// `experts` counts zero experts too.
void validate_gate(const GateSpec& gate, int experts) {
  require(gate.top_k >= 1,
          "The gate's top_k is " + to_string(gate.top_k) + ", but must be at least 1.");
  require(gate.top_k <= experts, "The gate's top_k is " + to_string(gate.top_k) +
                                     ", but there are only " + to_string(experts) + " experts" +
                                     (gate.zero_experts > 0 ? ", zero experts included." : "."));
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
  if (gate.each_group) {
    require(gate.groups_kept == gate.groups && gate.top_k % gate.groups == 0,
            "A gate that chooses from each of " + to_string(gate.groups) +
                " groups must keep all of them and have a top_k that they divide, but keeps " +
                to_string(gate.groups_kept) + " and has top_k " + to_string(gate.top_k) + ".");
  }
  require(gate.groups_kept * group_size >= gate.top_k,
          "The gate's top_k is " + to_string(gate.top_k) + ", but its " +
              to_string(gate.groups_kept) + " kept groups hold only " +
              to_string(gate.groups_kept * group_size) + " experts.");
  if (gate.groups > 1 && gate.group_reduce == GroupReduce::top2_sum) {
    require(group_size >= 2,
            "The gate values groups by their two best experts, but a group holds only one.");
  }
  require(gate.shared_slots >= 0 && gate.shared_slots <= kMaxSharedSlots,
          "The gate has " + to_string(gate.shared_slots) + " shared slots, but may have 0 to " +
              to_string(kMaxSharedSlots) + ".");
  require(gate.scale > 0 && std::isfinite(gate.scale),
          "The gate's scale is " + to_string(gate.scale) + ", but must be positive and finite.");
}

void validate_hash(const RoutingProblem& problem) {
  const GateSpec& gate = problem.gate;
  const HashSpec& hash = problem.hash;
  if (!gate.hash) {
    require(hash.table.empty(), "A hash table is given, but the gate does not choose by token id.");
    return;
  }
  require(gate.groups == 1 && gate.zero_experts == 0 && gate.bias == BiasMode::none,
          "A hash-routed gate looks its experts up; it takes no groups, no zero experts and no "
          "bias.");
  require(
      hash.vocabulary >= 1 && hash.vocabulary <= (1 << 24),
      "The vocabulary has " + to_string(hash.vocabulary) + " token ids, but must have 1 to 2^24.");
  if (hash.table.empty()) return;
  const std::size_t one_layer = static_cast<std::size_t>(hash.vocabulary) * gate.top_k;
  require(hash.table.size() == one_layer || hash.table.size() == one_layer * problem.layers,
          "The hash table has " + to_string(hash.table.size()) +
              " entries, but must have top_k per token id (" + to_string(one_layer) +
              ") or the same per layer (" + to_string(one_layer * problem.layers) + ").");
  std::vector<std::size_t> last_row(problem.experts, 0);
  for (std::size_t i = 0; i < hash.table.size(); ++i) {
    const int expert = hash.table[i];
    const std::size_t row = i / gate.top_k + 1;
    require(expert < problem.experts, "The hash table names expert " + to_string(expert) +
                                          ", but there are only " + to_string(problem.experts) +
                                          " experts.");
    require(last_row[expert] != row, "The hash table names expert " + to_string(expert) +
                                         " twice in row " + to_string(row - 1) + ".");
    last_row[expert] = row;
  }
}

void validate_bias(const RoutingProblem& problem) {
  if (problem.bias.empty()) return;
  const GateSpec& gate = problem.gate;
  require(gate.bias != BiasMode::none, "A bias is given, but the gate takes none.");
  const auto one = static_cast<std::size_t>(problem.choices());
  const std::size_t all = problem.layers * one;
  require(problem.bias.size() == one || problem.bias.size() == all,
          "The bias has " + to_string(problem.bias.size()) +
              " values, but must have one per expert (" + to_string(one) +
              ") or one per layer and expert (" + to_string(all) + ").");
  const int fraction = bias_fraction(gate);
  const bool softmax = fraction == kSoftmaxFraction;
  const std::int64_t most = softmax ? (1 << kSoftmaxFraction) - 1 : std::int64_t{16} << fraction;
  for (const std::int32_t b : problem.bias) {
    require(
        b >= -most && b <= most,
        "A bias is " + to_string(from_fixed(b, fraction)) + ", but must be between " +
            (softmax ? "-1 and 1, both excluded: it is added to a probability." : "-16 and 16."));
  }
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
  require(problem.gate.zero_experts >= 0 && problem.gate.zero_experts <= kMaxExperts - experts,
          "The gate has " + to_string(problem.gate.zero_experts) + " zero experts beside " +
              to_string(experts) + " experts, but must have 0 to " +
              to_string(kMaxExperts - experts) + ".");
  require(problem.layers >= 1 && problem.layers <= 4096,
          "The number of layers is " + to_string(problem.layers) + ", but must be 1 to 4096.");
  require(problem.tokens >= 1 && problem.tokens <= (1 << 24),
          "The number of tokens is " + to_string(problem.tokens) + ", but must be 1 to 2^24.");
  validate_gate(problem.gate, problem.choices());
  validate_popularity(problem.popularity, problem.layers, problem.choices());
  validate_hash(problem);
  validate_bias(problem);
  if (!problem.log_popularity.empty()) {
    const auto one = static_cast<std::size_t>(problem.choices());
    const std::size_t all = problem.layers * one;
    const std::size_t given = problem.log_popularity.size();
    require(given == one || given == all, "The given popularity has " + to_string(given) +
                                              " values, but must have one per expert (" +
                                              to_string(one) + ") or one per layer and expert (" +
                                              to_string(all) + ").");
    for (const std::int32_t x : problem.log_popularity) {
      require(x >= -(64 << kLogitFraction) && x <= (64 << kLogitFraction),
              "The logarithm of a given popularity is " + to_string(from_fixed(x, kLogitFraction)) +
                  ", but must be between -64 and 64.");
    }
  }
  const long long choices =
      static_cast<long long>(problem.layers) * problem.tokens * problem.gate.slots();
  require(choices <= (1ll << 32), "Layers x tokens x slots are " + to_string(choices) +
                                      " choices, but at most 2^32 are routed in one call; route "
                                      "fewer tokens or layers.");
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
