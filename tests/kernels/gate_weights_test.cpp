// Proves: combine weights follow the published formulae of the gates.

#include "kernels/core/gate_weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

const std::vector<double> kLogits = {0.0, std::log(2.0), std::log(3.0), std::log(4.0)};
const std::vector<std::uint16_t> kChosen = {3, 2};

TEST(GateWeights, SoftmaxThenTopK) {
  const auto w = gate_weights(gate_spec(ScoreFunction::softmax, 2), kLogits, kChosen);
  EXPECT_NEAR(w[0], 0.4, 1e-15);
  EXPECT_NEAR(w[1], 0.3, 1e-15);
}

TEST(GateWeights, RenormalisedSoftmaxIsSoftmaxOverTheChosen) {
  GateSpec renormalised = gate_spec(ScoreFunction::softmax, 2);
  renormalised.renormalise = true;
  GateSpec over_chosen = gate_spec(ScoreFunction::softmax, 2);
  over_chosen.order = ScoreOrder::top_k_then_score;
  const auto a = gate_weights(renormalised, kLogits, kChosen);
  const auto b = gate_weights(over_chosen, kLogits, kChosen);
  for (int i = 0; i < 2; ++i) EXPECT_NEAR(a[i], b[i], 1e-15);
  EXPECT_NEAR(a[0], 4.0 / 7, 1e-15);
}

TEST(GateWeights, SigmoidRenormalisedAndScaled) {
  GateSpec gate = gate_spec(ScoreFunction::sigmoid, 2);
  gate.renormalise = true;
  gate.scale = 2.5;
  const auto w = gate_weights(gate, kLogits, kChosen);
  EXPECT_NEAR(w[0], 2.5 * 0.8 / (0.8 + 0.75), 1e-12);
  EXPECT_NEAR(w[0] + w[1], 2.5, 1e-12);
}

TEST(GateWeights, SqrtSoftplus) {
  const auto w = gate_weights(gate_spec(ScoreFunction::sqrt_softplus, 2), kLogits, kChosen);
  EXPECT_NEAR(w[0], std::sqrt(std::log(5.0)), 1e-15);
}

TEST(GateWeights, HugeLogitsStayFinite) {
  const auto w = gate_weights(gate_spec(ScoreFunction::softmax, 1),
                              std::vector<double>{2000, -2000}, std::vector<std::uint16_t>{0});
  EXPECT_EQ(w[0], 1.0);
}

TEST(GateWeights, RefusesUnknownExpert) {
  EXPECT_THROW(
      gate_weights(gate_spec(ScoreFunction::softmax, 1), kLogits, std::vector<std::uint16_t>{4}),
      std::invalid_argument);
}

}  // namespace
}  // namespace tollgate::kernels
