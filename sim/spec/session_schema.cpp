#include "sim/spec/session_schema.h"

#include "sim/base/text.h"
#include "sim/spec/length_schema.h"

namespace tollgate {
namespace {

constexpr auto required = Need::required;
constexpr auto optional = Need::optional;

void check_most(const LengthSpec& count, int most, const std::string& path) {
  if (count.average() <= most) return;
  throw InputError(place_of(count.places, ""), path + " is " + shortest(count.average()) +
                                                   " on average, more than the " +
                                                   std::to_string(most) + " that are simulated.");
}

}  // namespace

const Schema<SessionSpec>& session_schema() {
  static const auto schema = [] {
    Schema<SessionSpec> s("session",
                          "Conversations: each turn is a request whose prompt is all that was said "
                          "before, and waits for the answer before it.");
    add_length(s, "turns", &SessionSpec::turns, required, "Requests of a conversation.");
    s.integer("system_prompt", &SessionSpec::system_prompt, optional, Range{0, 1e8},
              "Tokens that all conversations of the class begin with.");
    add_length(s, "first_input", &SessionSpec::first_input, optional,
               "Tokens of the first message, beside the system prompt. Default: as new_input.");
    add_length(s, "new_input", &SessionSpec::new_input, required,
               "Tokens that each later turn adds: a message, results of tools.");
    s.quantity("think_time", &SessionSpec::think_time, Dimension::seconds, optional, not_negative,
               "Mean time from an answer to the next request.");
    s.number("think_time_sigma", &SessionSpec::think_time_sigma, optional, Range{0, 4},
             "Standard deviation of the logarithm of that time, which is log-normal.");
    s.check([](const SessionSpec& session, const std::string& path) {
      check_most(session.turns, most_turns, path + ".turns");
    });
    return s;
  }();
  return schema;
}

const Schema<AgentSpec>& agent_schema() {
  static const auto schema = [] {
    Schema<AgentSpec> s("agent",
                        "Sub-agents that work at the same time: the answer of a turn starts them, "
                        "and the next turn waits for all and reads their last answers.");
    s.number("share", &AgentSpec::share, optional, Range{0, 1, true},
             "Share of turns, of those with a next one, that start sub-agents.");
    add_length(s, "branches", &AgentSpec::branches, required, "Sub-agents started at a time.");
    add_length(s, "calls", &AgentSpec::calls, required,
               "Requests of a sub-agent, one after the other.");
    add_length(s, "new_input", &AgentSpec::new_input, required,
               "Tokens that each of these requests adds.");
    add_length(s, "output", &AgentSpec::output, required,
               "Tokens that each of these requests generates.");
    s.boolean(
        "inherits", &AgentSpec::inherits, optional,
        "true: a sub-agent begins with the whole conversation; false: with the system prompt.");
    s.check([](const AgentSpec& agent, const std::string& path) {
      check_most(agent.branches, most_branches, path + ".branches");
      check_most(agent.calls, most_turns, path + ".calls");
    });
    return s;
  }();
  return schema;
}

}  // namespace tollgate
