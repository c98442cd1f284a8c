#pragma once

namespace tollgate {

/// How one kind of user makes tokens. The knobs of "token inflation": longer context, more turns
/// and calls per task, more reasoning, more of the users being agents.
struct UserBehaviour {
  double users = 0;               ///< people, >= 0
  double penetration = 1;         ///< share of them that uses this, 0..1
  double tasks_per_day = 1;       ///< of a user
  double turns_per_task = 1;      ///< >= 1
  double calls_per_turn = 1;      ///< model calls of one turn, > 1 where sub-agents fan out
  double first_prompt = 0;        ///< tokens of the first prompt of a task
  double context_growth = 0;      ///< tokens by which every later prompt of the task is longer
  double reasoning = 0;           ///< tokens generated per call and not kept
  double output = 0;              ///< tokens generated per call besides
  double prompt_compression = 0;  ///< share of prompt tokens left out before the call, 0..1
};

/// Tokens per day.
struct TokenDemand {
  double input = 0;         ///< prompt tokens, cached ones included
  double cached_input = 0;  ///< of these, repeated from the call before: what a perfect cache finds
  double output = 0;        ///< reasoning included
  double total() const { return input + output; }
};

/// Prompts grow linearly over the turns of a task; every call of a turn sends the turn's prompt.
/// All but the new tokens of a turn repeat the turn before, and further calls of a turn repeat it
/// whole. Throws std::invalid_argument for negative or non-finite numbers, penetration or
/// compression above 1 and turns below 1.
TokenDemand daily_tokens(const UserBehaviour& user);

/// How many times the tokens of a chatbot user an agent user takes, if at `parity` penetration of
/// agents both groups take as many tokens: (1 - parity) / parity where agent users no longer chat,
/// 1 / parity where they do both. Throws std::invalid_argument unless 0 < parity < 1.
struct AgentIntensity {
  double instead = 1;  ///< agents instead of chatting
  double besides = 1;  ///< agents besides chatting
};
AgentIntensity agent_intensity(double parity);

/// Tokens at `penetration` of agents over those at none, where they chat besides: 1 + p x
/// intensity.
double demand_multiple(double penetration, double intensity);

/// The penetration at which demand is `multiple` >= 1 times that without agents, (multiple - 1) /
/// intensity. Above 1: no penetration is enough.
double penetration_for(double multiple, double intensity);

}  // namespace tollgate
