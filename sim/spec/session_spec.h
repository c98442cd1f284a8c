#pragma once

#include "sim/spec/length_spec.h"
#include "sim/spec/places.h"

namespace tollgate {

inline constexpr int most_turns = 10'000;    ///< of a conversation; draws are cut here
inline constexpr int most_branches = 1'000;  ///< of a turn

/// Conversations of several turns, each a request. The prompt of a turn is everything so far:
/// system prompt, first message, and for each earlier turn its answer and what was added after it.
struct SessionSpec {
  LengthSpec turns;             ///< requests of a conversation, those of sub-agents not counted
  long long system_prompt = 0;  ///< tokens that all conversations of the class begin with
  LengthSpec first_input;       ///< tokens of the first message; not given: as new_input
  LengthSpec new_input;         ///< tokens that a later turn adds: message, results of tools
  double think_time = 0;        ///< mean seconds from an answer to the next request
  double think_time_sigma = 0;  ///< log-normal: standard deviation of their logarithm
  Places places;
};

/// Sub-agents: the answer of a turn starts `branches` of them at once, each of which makes `calls`
/// requests, one after the other, with think time between them. The next turn waits for all and
/// reads their last answers beside its own new input.
struct AgentSpec {
  double share = 1;      ///< of the turns that have a next one: probability to fan out
  LengthSpec branches;   ///< sub-agents started
  LengthSpec calls;      ///< requests of a sub-agent
  LengthSpec new_input;  ///< tokens that each of these adds
  LengthSpec output;     ///< tokens that each of these generates
  bool inherits = true;  ///< begins with the whole conversation; else with the system prompt only
  Places places;
};

}  // namespace tollgate
