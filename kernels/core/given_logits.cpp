#include "kernels/core/given_logits.h"

#include <stdexcept>
#include <string>

namespace tollgate::kernels {

using std::to_string;

void validate_shape(const RoutingProblem& problem, std::span<const float> logits) {
  validate(problem);
  if (problem.gate.hash) {
    throw std::invalid_argument(
        "A hash-routed gate looks its experts up by token id and reads no logits.");
  }
  const std::size_t expected =
      static_cast<std::size_t>(problem.layers) * problem.tokens * problem.choices();
  if (logits.size() != expected) {
    throw std::invalid_argument("There are " + to_string(logits.size()) +
                                " logits, but must be one per layer, token and expert (" +
                                to_string(expected) + ").");
  }
}

void refuse_nan(const RoutingProblem& problem, std::size_t index) {
  const std::size_t row = index / problem.choices();
  throw std::invalid_argument("The logit of expert " + to_string(index % problem.choices()) +
                              " for token " + to_string(row % problem.tokens) + " at layer " +
                              to_string(row / problem.tokens) + " is not a number.");
}

}  // namespace tollgate::kernels
