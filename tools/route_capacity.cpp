#include "tools/route_capacity.h"

#include <algorithm>

namespace tollgate {

std::vector<CapacityRow> study_capacity(const RouteQuestion& question,
                                        const kernels::RoutedWindow& window, int most_steps) {
  std::vector<CapacityRow> rows;
  if (!question.capacity) return rows;
  const auto k = static_cast<std::size_t>(window.top_k);
  for (const int tokens : question.tokens) {
    CapacityRow row;
    row.tokens = tokens;
    const int steps = std::min(most_steps, window.tokens / tokens);
    for (int layer = 0; layer < window.layers; ++layer) {
      for (int step = 0; step < steps; ++step) {
        const std::size_t first = (static_cast<std::size_t>(layer) * window.tokens +
                                   static_cast<std::size_t>(step) * tokens) *
                                  k;
        const std::span<const std::uint16_t> ids(window.ids.data() + first, tokens * k);
        const kernels::CapacityResult kept = kernels::apply_capacity(
            {ids, 1, tokens, window.top_k}, window.experts, *question.capacity);
        row.capacity.samples.push_back(kept.capacity[0]);
        std::int64_t dropped = 0;
        for (const std::int64_t d : kept.drops) dropped += d;
        row.dropped.samples.push_back(dropped);
        row.unserved.samples.push_back(kept.unserved[0]);
        row.choices += static_cast<double>(kept.assignments);
      }
    }
    row.choices /= std::max<double>(1, static_cast<double>(row.capacity.samples.size()));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string name_of(kernels::CapacityRule rule) {
  switch (rule) {
    case kernels::CapacityRule::switch_top1:
      return "switch";
    case kernels::CapacityRule::gshard:
      return "gshard";
    case kernels::CapacityRule::tutel:
      break;
  }
  return "tutel";
}

}  // namespace tollgate
