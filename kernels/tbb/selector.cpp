#include "kernels/tbb/selector.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>

#include "kernels/core/noise.h"
#include "kernels/core/philox.h"

namespace tollgate::kernels {
namespace {

constexpr int kPilots = 9;
constexpr int kCoarseShift = 20;
constexpr int kCoarse = 1 << (32 - kCoarseShift);

/// How many experts should pass the floor on average. Ungrouped: three standard deviations of a
/// Poisson count above top_k. Grouped: about five per group, so that most groups show their two
/// best.
int wanted_candidates(const GateSpec& gate) {
  const int enough = gate.top_k + 2 + static_cast<int>(integer_sqrt(9 * gate.top_k));
  if (gate.groups_kept == gate.groups) return enough;
  return std::max(5 * gate.groups, enough * gate.groups / gate.groups_kept);
}

}  // namespace

struct Selector::Scratch {
  alignas(64) std::uint32_t words[kMaxExperts];
  int count;
  std::uint16_t experts[kMaxExperts + 16];
  std::int32_t values[kMaxExperts];
};

Selector::Selector(const RoutingProblem& problem, const Popularity& popularity)
    : problem_(problem),
      popularity_(popularity),
      order_(problem.choices()),
      variant_(screen_variants().front()),
      scaled_(needs_token_scale(gate_at(problem, 0))) {
  for (int layer = 0; layer < problem.layers; ++layer) {
    gates_.push_back(gate_at(problem, layer));
  }
  const int experts = problem.choices();
  for (int e = 0; e < experts; ++e) {
    index_of_expert_.push_back(static_cast<std::uint16_t>(order_.index(e)));
    group_of_expert_.push_back(static_cast<std::uint8_t>(e / (experts / problem.gate.groups)));
  }
  for (int i = 0; i < kCoarse; ++i) {
    coarse_gumbel_.push_back(
        gumbel(gumbel_tables(), static_cast<std::uint32_t>(i) << kCoarseShift));
  }
  for (int p = 0; p < kPilots; ++p) {
    for (int e = 0; e < experts; ++e) {
      const Words4 words =
          philox4x32(static_cast<std::uint32_t>(p),
                     draw_block(Purpose::pilot, static_cast<std::uint32_t>(e / 4)), 0, 0, 0);
      pilots_.push_back(gumbel(gumbel_tables(), words.w[e % 4]));
    }
  }
  const std::size_t tables = static_cast<std::size_t>(problem.layers) * popularity.contexts();
  floors_.resize(tables);
  limits_storage_.resize(tables * order_.words() + 16);
  limits_ = limits_storage_.data();
  while (reinterpret_cast<std::uintptr_t>(limits_) % 64 != 0) ++limits_;
}

void Selector::prepare(int layer, int context) {
  const Gate& gate = gates_[layer];
  const std::int32_t* offsets = popularity_.logits(layer, context);
  const std::size_t table = static_cast<std::size_t>(layer) * popularity_.contexts() + context;
  const int experts = gate.experts;
  const int wanted = evaluates_all(gate) ? experts : wanted_candidates(gate.spec);

  std::int32_t floor = std::numeric_limits<std::int32_t>::min();
  if (wanted < experts) {
    std::array<std::int32_t, kMaxExperts> values;
    std::int64_t sum = 0;
    for (int p = 0; p < kPilots; ++p) {
      for (int e = 0; e < experts; ++e) {
        values[e] = ranked_value(gate, e, offsets[e] + pilots_[p * experts + e]);
      }
      const auto end = values.begin() + experts;
      std::nth_element(values.begin(), values.begin() + wanted - 1, end, std::greater<>());
      sum += values[wanted - 1];
    }
    floor = static_cast<std::int32_t>(sum / kPilots);
  }
  floors_[table] = floor;

  std::uint32_t* limits = limits_ + table * order_.words();
  if (evaluates_all(gate)) {  // all pass the screen
    std::fill_n(limits, order_.words(), ~0u);
    return;
  }
  std::fill_n(limits, order_.words(), 0u);
  for (int e = 0; e < experts; ++e) {
    const auto below = std::partition_point(
        coarse_gumbel_.begin(), coarse_gumbel_.end(),
        [&](std::int32_t noise) { return ranked_value(gate, e, offsets[e] + noise) >= floor; });
    const std::int64_t i = below - coarse_gumbel_.begin();
    limits[order_.index(e)] = i == 0 ? 0u : static_cast<std::uint32_t>((i << kCoarseShift) - 1);
  }
}

void Selector::evaluate(const Gate& gate, const std::int32_t* offsets, Scratch& scratch,
                        int from) const {
  const GumbelTables& tables = gumbel_tables();
  if (gate.bias == nullptr) {
    for (int i = from; i < scratch.count; ++i) {
      const int e = scratch.experts[i];
      scratch.values[i] = offsets[e] + gumbel(tables, scratch.words[index_of_expert_[e]]);
    }
    return;
  }
  for (int i = from; i < scratch.count; ++i) {
    const int e = scratch.experts[i];
    const std::int32_t logit = offsets[e] + gumbel(tables, scratch.words[index_of_expert_[e]]);
    scratch.values[i] = ranked_value(gate, e, logit);
  }
}

/// Ranked values of all experts of a gate that compares softmax probabilities.
TokenScale Selector::evaluate_scaled(const Gate& gate, const std::int32_t* offsets,
                                     Scratch& scratch) const {
  const GumbelTables& tables = gumbel_tables();
  std::int32_t largest = std::numeric_limits<std::int32_t>::min();
  for (int i = 0; i < scratch.count; ++i) {
    const int e = scratch.experts[i];
    scratch.values[i] = offsets[e] + gumbel(tables, scratch.words[index_of_expert_[e]]);
    largest = std::max(largest, scratch.values[i]);
  }
  std::uint64_t sum = 0;
  for (int i = 0; i < scratch.count; ++i) {
    sum += fixed_exp(*gate.scores, static_cast<std::int64_t>(scratch.values[i]) - largest);
  }
  const TokenScale scale = make_token_scale(largest, sum);
  for (int i = 0; i < scratch.count; ++i) {
    scratch.values[i] = ranked_value(gate, scratch.experts[i], scratch.values[i], scale);
  }
  return scale;
}

/// Appends the experts of [first, last) that the screen left out.
void Selector::add_group(Scratch& scratch, const std::uint32_t* limits, int first, int last) const {
  for (int e = first; e < last; ++e) {
    const int i = index_of_expert_[e];
    if (scratch.words[i] > limits[i]) {
      scratch.experts[scratch.count++] = static_cast<std::uint16_t>(e);
    }
  }
}

int Selector::reaching(const Scratch& scratch, std::int32_t floor) const {
  int count = 0;
  for (int i = 0; i < scratch.count; ++i) count += scratch.values[i] >= floor ? 1 : 0;
  return count;
}

void Selector::select_grouped(const Gate& gate, const std::int32_t* offsets,
                              const std::uint32_t* limits, std::int32_t floor,
                              const TokenScale& scale, Scratch& scratch) const {
  const GateSpec& spec = gate.spec;
  const int group_size = gate.experts / spec.groups;
  const int needed = spec.group_reduce == GroupReduce::max ? 1 : 2;
  std::int32_t best[kMaxGroups], second[kMaxGroups];
  int known[kMaxGroups] = {};
  bool complete[kMaxGroups] = {};
  std::fill_n(best, spec.groups, std::numeric_limits<std::int32_t>::min());
  std::fill_n(second, spec.groups, std::numeric_limits<std::int32_t>::min());

  const auto take = [&](int from) {
    for (int i = from; i < scratch.count; ++i) {
      const int g = group_of_expert_[scratch.experts[i]];
      const std::int32_t value = scratch.values[i];
      known[g] += value >= floor ? 1 : 0;
      second[g] = std::max(second[g], std::min(best[g], value));
      best[g] = std::max(best[g], value);
    }
  };
  const auto complete_group = [&](int g) {
    const int from = scratch.count;
    add_group(scratch, limits, g * group_size, (g + 1) * group_size);
    evaluate(gate, offsets, scratch, from);
    complete[g] = true;
    return from;
  };

  take(0);
  for (int g = 0; g < spec.groups; ++g) {
    if (known[g] < needed) take(complete_group(g));
  }
  std::int64_t values[kMaxGroups];
  for (int g = 0; g < spec.groups; ++g) values[g] = group_value(gate, best[g], second[g], scale);
  const std::uint64_t kept = kept_groups(spec, values);

  int reaching_in_kept = 0;
  for (int g = 0; g < spec.groups; ++g) {
    if (((kept >> g) & 1) != 0) reaching_in_kept += known[g];
  }
  if (reaching_in_kept < spec.top_k) {
    for (int g = 0; g < spec.groups; ++g) {
      if (((kept >> g) & 1) != 0 && !complete[g]) complete_group(g);
    }
  }
  int remaining = 0;
  for (int i = 0; i < scratch.count; ++i) {
    scratch.experts[remaining] = scratch.experts[i];
    scratch.values[remaining] = scratch.values[i];
    remaining += static_cast<int>((kept >> group_of_expert_[scratch.experts[i]]) & 1);
  }
  scratch.count = remaining;
}

void Selector::select_each_group(const Gate& gate, const Scratch& scratch,
                                 std::uint16_t* chosen) const {
  const int each = gate.spec.top_k / gate.spec.groups;
  for (int g = 0; g < gate.spec.groups; ++g) {
    std::int64_t keys[kMaxExperts + 8];
    int count = 0;
    for (int i = 0; i < scratch.count; ++i) {
      keys[count] = selection_key(scratch.values[i], scratch.experts[i]);
      count += group_of_expert_[scratch.experts[i]] == g ? 1 : 0;
    }
    variant_.top_k(keys, count, each, chosen + g * each);
  }
}

void Selector::select(int layer, int token, std::uint16_t* chosen) const {
  const Gate& gate = gates_[layer];
  const int context = popularity_.token_contexts()[token];
  const std::size_t table = static_cast<std::size_t>(layer) * popularity_.contexts() + context;
  const std::int32_t* offsets = popularity_.logits(layer, context);
  const std::uint32_t* limits = limits_ + table * order_.words();

  Scratch scratch;
  scratch.count =
      variant_.screen({problem_.seed, problem_.stream, static_cast<std::uint32_t>(layer),
                       static_cast<std::uint32_t>(token)},
                      order_.blocks, limits, scratch.words, scratch.experts);
  if (order_.words() != gate.experts) {  // a word of zero passes even where there is no expert
    const auto end = std::remove_if(scratch.experts, scratch.experts + scratch.count,
                                    [&](std::uint16_t e) { return e >= gate.experts; });
    scratch.count = static_cast<int>(end - scratch.experts);
  }
  TokenScale scale;
  if (scaled_) {
    scale = evaluate_scaled(gate, offsets, scratch);
  } else {
    evaluate(gate, offsets, scratch, 0);
  }

  const GateSpec& spec = gate.spec;
  if (spec.groups_kept < spec.groups) {
    select_grouped(gate, offsets, limits, floors_[table], scale, scratch);
  } else if (reaching(scratch, floors_[table]) < spec.top_k) {
    const int from = scratch.count;
    add_group(scratch, limits, 0, gate.experts);
    evaluate(gate, offsets, scratch, from);
  }
  if (spec.each_group) return select_each_group(gate, scratch, chosen);
  std::int64_t keys[kMaxExperts + 8];
  for (int i = 0; i < scratch.count; ++i) {
    keys[i] = selection_key(scratch.values[i], scratch.experts[i]);
  }
  variant_.top_k(keys, scratch.count, spec.top_k, chosen);
}

}  // namespace tollgate::kernels
