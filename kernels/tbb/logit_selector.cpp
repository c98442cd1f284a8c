#include "kernels/tbb/logit_selector.h"

#include <algorithm>
#include <limits>

#include "kernels/core/logit.h"
#include "kernels/reference/select_experts.h"

namespace tollgate::kernels {
namespace {

/// The best so far, best first. Experts come in ascending order, so a value that only equals the
/// last one does not enter.
struct Best {
  int k;
  std::int32_t values[kMaxTopK];
  std::uint16_t* experts;

  void add(int expert, std::int32_t value) {
    if (value <= values[k - 1]) return;
    int place = k - 1;
    for (; place > 0 && values[place - 1] < value; --place) {
      values[place] = values[place - 1];
      experts[place] = experts[place - 1];
    }
    values[place] = value;
    experts[place] = static_cast<std::uint16_t>(expert);
  }
};

}  // namespace

std::uint64_t LogitSelector::kept(const std::int32_t* values) const {
  const GateSpec& spec = gate_.spec;
  const int group_size = gate_.experts / spec.groups;
  std::int64_t group_values[kMaxGroups];
  for (int g = 0; g < spec.groups; ++g) {
    std::int32_t best = std::numeric_limits<std::int32_t>::min();
    std::int32_t second = best;
    for (int i = 0; i < group_size; ++i) {
      const std::int32_t value = values[g * group_size + i];
      second = std::max(second, std::min(best, value));
      best = std::max(best, value);
    }
    group_values[g] = group_value(gate_, best, second, {});
  }
  return kept_groups(spec, group_values);
}

int LogitSelector::select(const float* logits, std::uint16_t* chosen) const {
  const int experts = gate_.experts;
  std::int32_t values[kMaxExperts];
  int nans = 0;
  for (int e = 0; e < experts; ++e) {
    nans += logits[e] != logits[e] ? 1 : 0;
    values[e] = logit_to_fixed(logits[e]);
  }
  if (nans != 0) {
    int first = 0;
    while (logits[first] == logits[first]) ++first;
    return first;
  }
  if (evaluates_all(gate_)) {
    select_experts(gate_, {values, static_cast<std::size_t>(experts)},
                   {chosen, static_cast<std::size_t>(gate_.spec.top_k)});
    return -1;
  }
  if (gate_.bias != nullptr) {
    for (int e = 0; e < experts; ++e) values[e] = ranked_value(gate_, e, values[e]);
  }
  Best best = {gate_.spec.top_k, {}, chosen};
  std::fill_n(best.values, best.k, std::numeric_limits<std::int32_t>::min());
  if (gate_.spec.groups_kept == gate_.spec.groups) {
    for (int e = 0; e < experts; ++e) best.add(e, values[e]);
    return -1;
  }
  const int group_size = experts / gate_.spec.groups;
  for (std::uint64_t rest = kept(values); rest != 0; rest &= rest - 1) {
    const int first = __builtin_ctzll(rest) * group_size;
    for (int e = first; e < first + group_size; ++e) best.add(e, values[e]);
  }
  return -1;
}

}  // namespace tollgate::kernels
