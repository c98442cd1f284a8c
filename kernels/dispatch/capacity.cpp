#include "kernels/dispatch/capacity.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {
namespace {

/// The shortest text that reads back as the number.
std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

using std::to_string;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

/// ceil(factor * numerator / denominator), the factor in millionths.
std::int64_t scaled_share(double factor, std::int64_t numerator, std::int64_t denominator) {
  constexpr std::int64_t kMillion = 1'000'000;
  const std::int64_t share = std::llround(factor * kMillion);
  const std::int64_t unit = denominator * kMillion;
  return (share * numerator + unit - 1) / unit;
}

std::vector<int> serving_order(int tokens, std::span<const std::int32_t> priorities) {
  std::vector<int> order(tokens);
  std::iota(order.begin(), order.end(), 0);
  if (!priorities.empty()) {
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return priorities[a] > priorities[b]; });
  }
  return order;
}

}  // namespace

double CapacityResult::dropped_share() const {
  const std::int64_t dropped = std::accumulate(drops.begin(), drops.end(), std::int64_t{0});
  return assignments == 0 ? 0.0 : static_cast<double>(dropped) / static_cast<double>(assignments);
}

double CapacityResult::unserved_share() const {
  const std::int64_t sum = std::accumulate(unserved.begin(), unserved.end(), std::int64_t{0});
  const std::int64_t all = static_cast<std::int64_t>(layers) * tokens;
  return all == 0 ? 0.0 : static_cast<double>(sum) / static_cast<double>(all);
}

std::int64_t expert_capacity(const CapacitySpec& spec, int tokens, int experts, int top_k,
                             std::int64_t largest_load) {
  require(tokens >= 1 && experts >= 1 && top_k >= 1,
          "Capacity needs at least one token, expert and choice, but there are " +
              to_string(tokens) + ", " + to_string(experts) + " and " + to_string(top_k) + ".");
  require(std::fabs(spec.factor) <= 1e4, "The capacity factor is " + number_text(spec.factor) +
                                             ", but must be between -10000 and 10000.");
  require(spec.alignment >= 1 && spec.alignment <= (1 << 24),
          "The capacity's alignment is " + to_string(spec.alignment) + ", but must be 1 to 2^24.");
  std::int64_t capacity = 0;
  if (spec.rule == CapacityRule::tutel) {
    const std::int64_t even = (static_cast<std::int64_t>(tokens) + experts - 1) / experts;
    const auto by_factor =
        top_k * static_cast<std::int64_t>(std::fabs(spec.factor) * static_cast<double>(even));
    capacity = spec.factor > 0   ? by_factor
               : spec.factor < 0 ? std::min(largest_load, by_factor)
                                 : largest_load;
    // Without any routed choice the largest load is 0, and nothing is dropped.
    require(capacity > 0 || spec.factor == 0 || largest_load == 0,
            "A capacity factor of " + number_text(spec.factor) +
                " leaves experts a capacity of 0 for " + to_string(tokens) +
                " tokens; every token would be dropped.");
  } else {
    require(spec.factor > 0, "A capacity factor of " + number_text(spec.factor) +
                                 " leaves experts a capacity of 0; every token would be dropped.");
    require(spec.rule != CapacityRule::switch_top1 || top_k == 1,
            "The Switch rule is for top-1 gates, but top_k is " + to_string(top_k) +
                "; take the GShard rule.");
    capacity = std::max<std::int64_t>(
        1, scaled_share(spec.factor, static_cast<std::int64_t>(top_k) * tokens, experts));
  }
  return (capacity + spec.alignment - 1) / spec.alignment * spec.alignment;
}

CapacityResult apply_capacity(const Selections& selections, int experts, const CapacitySpec& spec,
                              std::span<const std::int32_t> priorities) {
  const int tokens = selections.tokens;
  const int k = selections.top_k;
  const std::size_t rows = static_cast<std::size_t>(selections.layers) * tokens;
  require(selections.layers >= 1 && tokens >= 1 && k >= 1 && selections.ids.size() == rows * k,
          to_string(selections.ids.size()) + " choices are not layers x tokens x top_k.");
  require(experts >= 1, "The number of experts is " + to_string(experts) + ".");
  require(spec.order == DropOrder::token ? priorities.empty() : priorities.size() == rows,
          "There are " + to_string(priorities.size()) +
              " priorities; dropping by score takes one per layer and token, dropping in token "
              "order none.");

  CapacityResult result;
  result.layers = selections.layers;
  result.tokens = tokens;
  result.top_k = k;
  result.ids.assign(selections.ids.begin(), selections.ids.end());
  result.capacity.resize(selections.layers);
  result.unserved.resize(selections.layers);
  result.drops.resize(static_cast<std::size_t>(selections.layers) * experts);
  std::vector<std::int64_t> assignments(selections.layers);
  tbb::parallel_for(0, selections.layers, [&](int layer) {
    std::uint16_t* ids = result.ids.data() + static_cast<std::size_t>(layer) * tokens * k;
    std::vector<std::int64_t> load(experts);
    for (std::size_t i = 0; i < static_cast<std::size_t>(tokens) * k; ++i) {
      if (ids[i] < experts) ++load[ids[i]];
    }
    assignments[layer] = std::accumulate(load.begin(), load.end(), std::int64_t{0});
    const std::int64_t capacity =
        expert_capacity(spec, tokens, experts, k, *std::max_element(load.begin(), load.end()));
    result.capacity[layer] = capacity;

    const std::vector<int> order = serving_order(
        tokens, priorities.empty() ? priorities
                                   : priorities.subspan(static_cast<std::size_t>(layer) * tokens,
                                                        static_cast<std::size_t>(tokens)));
    std::int64_t* drops = result.drops.data() + static_cast<std::size_t>(layer) * experts;
    std::vector<std::int32_t> lost(tokens), real(tokens);
    std::fill(load.begin(), load.end(), 0);
    for (int slot = 0; slot < k; ++slot) {
      for (const int token : order) {
        std::uint16_t& id = ids[static_cast<std::size_t>(token) * k + slot];
        if (id >= experts) continue;
        ++real[token];
        if (load[id]++ < capacity) continue;
        ++drops[id];
        ++lost[token];
        id = kNoExpert;
      }
    }
    for (int token = 0; token < tokens; ++token) {
      result.unserved[layer] += real[token] > 0 && lost[token] == real[token] ? 1 : 0;
    }
  });
  result.assignments = std::accumulate(assignments.begin(), assignments.end(), std::int64_t{0});
  return result;
}

}  // namespace tollgate::kernels
