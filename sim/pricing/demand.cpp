#include "sim/pricing/demand.h"

#include <stdexcept>
#include <string>

#include "sim/pricing/arguments.h"

namespace tollgate {
namespace {

void require_share(double value, const char* what) {
  require_not_negative(value, what);
  if (value > 1) throw std::invalid_argument(std::string(what) + " is above 1.");
}

}  // namespace

TokenDemand daily_tokens(const UserBehaviour& u) {
  require_not_negative(u.users, "the number of users");
  require_share(u.penetration, "the penetration");
  require_share(u.prompt_compression, "the prompt compression");
  require_not_negative(u.tasks_per_day, "the number of tasks");
  require_not_negative(u.calls_per_turn, "the number of calls");
  require_not_negative(u.first_prompt, "the first prompt");
  require_not_negative(u.context_growth, "the growth of the context");
  require_not_negative(u.reasoning, "the reasoning");
  require_not_negative(u.output, "the output");
  require_not_negative(u.turns_per_task, "the number of turns");
  if (u.turns_per_task < 1) throw std::invalid_argument("a task has at least one turn.");

  const double tasks = u.users * u.penetration * u.tasks_per_day;
  const double turns = u.turns_per_task, later = turns - 1;
  const double mean_prompt = u.first_prompt + u.context_growth * later / 2;
  const double kept = 1 - u.prompt_compression;
  TokenDemand demand;
  demand.input = tasks * turns * u.calls_per_turn * mean_prompt * kept;
  const double fresh = tasks * (u.first_prompt + later * u.context_growth) * kept;
  demand.cached_input = demand.input > fresh ? demand.input - fresh : 0;
  demand.output = tasks * turns * u.calls_per_turn * (u.reasoning + u.output);
  require_not_negative(demand.total(), "the tokens per day");
  return demand;
}

AgentIntensity agent_intensity(double parity) {
  require_fraction(parity, "the penetration at parity");
  if (parity == 1) throw std::invalid_argument("the penetration at parity is 1.");
  return {(1 - parity) / parity, 1 / parity};
}

double demand_multiple(double penetration, double intensity) {
  require_share(penetration, "the penetration");
  require_not_negative(intensity, "the intensity");
  return 1 + penetration * intensity;
}

double penetration_for(double multiple, double intensity) {
  require_positive(intensity, "the intensity");
  require_not_negative(multiple - 1, "the multiple less one");
  return (multiple - 1) / intensity;
}

}  // namespace tollgate
