#include "sim/serving/engine/request_table.h"

#include <algorithm>

namespace tollgate {

EngineCounters& EngineCounters::operator+=(const EngineCounters& o) {
  steps += o.steps;
  blocked_steps += o.blocked_steps;
  events += o.events;
  preemptions += o.preemptions;
  recomputed += o.recomputed;
  prompt_tokens += o.prompt_tokens;
  cached_tokens += o.cached_tokens;
  loaded_tokens += o.loaded_tokens;
  end = std::max(end, o.end);
  return *this;
}

}  // namespace tollgate
