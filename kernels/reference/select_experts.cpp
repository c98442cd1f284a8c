#include "kernels/reference/select_experts.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace tollgate::kernels {

void select_experts(const Gate& gate, std::span<const std::int32_t> logits,
                    std::span<std::uint16_t> chosen) {
  const GateSpec& spec = gate.spec;
  const int group_size = gate.experts / spec.groups;
  TokenScale scale;
  if (needs_token_scale(gate)) {
    const std::int32_t largest = *std::max_element(logits.begin(), logits.end());
    std::uint64_t sum = 0;
    for (const std::int32_t logit : logits) {
      sum += fixed_exp(*gate.scores, static_cast<std::int64_t>(logit) - largest);
    }
    scale = make_token_scale(largest, sum);
  }
  std::vector<std::int32_t> values(gate.experts);
  for (int e = 0; e < gate.experts; ++e) values[e] = ranked_value(gate, e, logits[e], scale);

  if (spec.each_group) {
    const int each = spec.top_k / spec.groups;
    for (int g = 0; g < spec.groups; ++g) {
      std::vector<std::int64_t> keys;
      for (int e = g * group_size; e < (g + 1) * group_size; ++e) {
        keys.push_back(selection_key(values[e], e));
      }
      std::sort(keys.begin(), keys.end(), std::greater<>());
      for (int i = 0; i < each; ++i) {
        chosen[g * each + i] = static_cast<std::uint16_t>(expert_of_key(keys[i]));
      }
    }
    return;
  }

  std::uint64_t kept = ~std::uint64_t{0};
  if (spec.groups_kept < spec.groups) {
    std::vector<std::int64_t> group_values(spec.groups);
    for (int g = 0; g < spec.groups; ++g) {
      const auto begin = values.begin() + g * group_size;
      std::vector<std::int32_t> in_group(begin, begin + group_size);
      std::sort(in_group.begin(), in_group.end(), std::greater<>());
      group_values[g] = group_value(gate, in_group[0], group_size > 1 ? in_group[1] : 0, scale);
    }
    kept = kept_groups(spec, group_values.data());
  }

  std::vector<std::int64_t> keys;
  for (int e = 0; e < gate.experts; ++e) {
    if (((kept >> (e / group_size)) & 1) != 0) keys.push_back(selection_key(values[e], e));
  }
  std::partial_sort(keys.begin(), keys.begin() + spec.top_k, keys.end(), std::greater<>());
  for (int i = 0; i < spec.top_k; ++i) {
    chosen[i] = static_cast<std::uint16_t>(expert_of_key(keys[i]));
  }
}

}  // namespace tollgate::kernels
