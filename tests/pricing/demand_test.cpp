#include "sim/pricing/demand.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace tollgate {
namespace {

/// Every prompt of every task, sent one by one.
TokenDemand by_hand(const UserBehaviour& u) {
  TokenDemand t;
  const int turns = static_cast<int>(u.turns_per_task), calls = static_cast<int>(u.calls_per_turn);
  double before = 0;
  for (int turn = 0; turn < turns; ++turn) {
    const double prompt = (u.first_prompt + turn * u.context_growth) * (1 - u.prompt_compression);
    for (int call = 0; call < calls; ++call) {
      t.input += prompt;
      t.cached_input += call == 0 ? before : prompt;
      t.output += u.reasoning + u.output;
    }
    before = prompt;
  }
  const double tasks = u.users * u.penetration * u.tasks_per_day;
  return {t.input * tasks, t.cached_input * tasks, t.output * tasks};
}

TEST(Demand, AddsUpWhatIsSentPromptByPrompt) {
  UserBehaviour u;
  u.users = 1000;
  u.penetration = 0.3;
  u.tasks_per_day = 4;
  u.turns_per_task = 7;
  u.calls_per_turn = 3;
  u.first_prompt = 2000;
  u.context_growth = 900;
  u.reasoning = 150;
  u.output = 50;
  u.prompt_compression = 0.25;
  const TokenDemand ours = daily_tokens(u), theirs = by_hand(u);
  EXPECT_NEAR(ours.input, theirs.input, 1e-9 * theirs.input);
  EXPECT_NEAR(ours.cached_input, theirs.cached_input, 1e-9 * theirs.cached_input);
  EXPECT_NEAR(ours.output, theirs.output, 1e-9 * theirs.output);
}

TEST(Demand, TheSessionsOfPublishedAgentTracesRepeatNineteenOfTwentyTokens) {
  // vLLM with Mooncake, 610 Codex and SWE-bench Pro traces: 33 turns, 12 k tokens at first, 2,242
  // more a turn, 131 prompt tokens to one generated. 94.2 % of prompt tokens were found in the
  // cache; what repeats bounds that from above, and 2 points are left for misses.
  UserBehaviour u;
  u.users = 1;
  u.turns_per_task = 33;
  u.first_prompt = 12000;
  u.context_growth = 2242;
  u.output = 351;
  const TokenDemand t = daily_tokens(u);
  EXPECT_NEAR(t.input / t.output, 131, 131 * 0.1);
  EXPECT_GT(t.cached_input / t.input, 0.942);
  EXPECT_LT(t.cached_input / t.input, 0.962);
}

TEST(Demand, AgentsAtEightPercentTakeTwelveTimesTheTokens) {
  const AgentIntensity intensity = agent_intensity(0.08);
  EXPECT_NEAR(intensity.instead, 11.5, 1e-12);
  EXPECT_NEAR(intensity.besides, 12.5, 1e-12);
  // At parity both groups take the same: demand has doubled.
  EXPECT_NEAR(demand_multiple(0.08, intensity.besides), 2, 1e-12);
  EXPECT_NEAR(penetration_for(5, intensity.besides), 0.32, 1e-12);
  EXPECT_NEAR(demand_multiple(penetration_for(5, intensity.besides), intensity.besides), 5, 1e-12);
}

TEST(Demand, RefusesWhatNobodyCanDo) {
  UserBehaviour u;
  u.users = 1;
  u.penetration = 1.2;
  EXPECT_THROW(daily_tokens(u), std::invalid_argument);
  u.penetration = 1;
  u.turns_per_task = 0.5;
  EXPECT_THROW(daily_tokens(u), std::invalid_argument);
  u.turns_per_task = 1;
  u.output = std::nan("");
  EXPECT_THROW(daily_tokens(u), std::invalid_argument);
  EXPECT_THROW(agent_intensity(0), std::invalid_argument);
  EXPECT_THROW(agent_intensity(1), std::invalid_argument);
  EXPECT_THROW(penetration_for(0.5, 12), std::invalid_argument);
  EXPECT_THROW(demand_multiple(1.1, 12), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate
