#include "sim/spec/engine_spec.h"

#include <algorithm>

namespace tollgate {

const EngineLimits& EngineSpec::limits_for(double device_memory) const {
  const EngineLimits* best = nullptr;
  for (const EngineLimits& row : limits) {
    if (row.memory_from <= device_memory && (!best || row.memory_from > best->memory_from))
      best = &row;
  }
  static const EngineLimits usual{};
  return best ? *best : usual;
}

int EngineSpec::chunk_of_group(int budget, int groups) const {
  return policy == SchedulingPolicy::prefill_first ? std::max(1, budget / groups) : budget;
}

bool EngineSpec::sends_to_experts(const HardwareSpec& hardware) const {
  return expert_exchange == ExpertExchange::deepep ||
         (expert_exchange == ExpertExchange::nvlink && hardware.per_domain > hardware.per_node);
}

std::vector<GraphRange> graphs_up_to(const std::vector<GraphRange>& graphs, int most) {
  std::vector<GraphRange> out;
  for (const GraphRange& range : graphs) {
    if (range.to > most) {
      const int below = out.empty() ? 0 : out.back().to;
      const int last = most / range.step * range.step;
      if (last > below) out.push_back({last, range.step, {}});
      if (most > std::max(last, below)) out.push_back({most, most, {}});
      break;
    }
    out.push_back(range);
  }
  return out;
}

double padded_rows(const std::vector<GraphRange>& graphs, double rows) {
  for (const GraphRange& range : graphs) {
    if (rows > range.to) continue;
    return std::min<double>(range.to, rows + (range.step - 1) / 2.0);
  }
  return rows;
}

}  // namespace tollgate
