// Proves: combine weights follow the published formulae of the gates.

#include "kernels/core/gate_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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

// The three readings of softmax + bias: b = (0, ln 2, 0, 0) turns the odds 1:2:3:4 into 1:4:3:4.
TEST(GateWeights, BiasReadings) {
  const std::vector<double> bias = {0, std::log(2.0), 0, 0};
  const std::vector<std::uint16_t> chosen = {1, 3};
  GateSpec gate = gate_spec(ScoreFunction::softmax, 2);
  for (const BiasMode mode : {BiasMode::on_score, BiasMode::on_logit}) {
    gate.bias = mode;
    const auto w = gate_weights(gate, kLogits, chosen, {bias, {}});
    EXPECT_NEAR(w[0], 0.2, 1e-15);
    EXPECT_NEAR(w[1], 0.4, 1e-15);
  }
  gate.bias = BiasMode::on_logit_and_weight;
  const auto w = gate_weights(gate, kLogits, chosen, {bias, {}});
  EXPECT_NEAR(w[0], 4.0 / 12, 1e-15);
  EXPECT_NEAR(w[1], 4.0 / 12, 1e-15);
}

TEST(GateWeights, ExpertScaleComesAfterRenormalising) {
  GateSpec gate = gate_spec(ScoreFunction::softmax, 2);
  gate.renormalise = true;
  gate.expert_scale = true;
  const std::vector<double> scale = {9, 9, 0.5, 2};
  const auto w = gate_weights(gate, kLogits, kChosen, {{}, scale});
  EXPECT_NEAR(w[0], 4.0 / 7 * 2, 1e-12);
  EXPECT_NEAR(w[1], 3.0 / 7 * 0.5, 1e-12);
}

// SGLang's steps written out: the shared slot gets routed sum / s, all are divided by the routed
// sum and multiplied by s.
TEST(GateWeights, SharedSlotsWeighWhatSglangMakesThem) {
  GateSpec gate = gate_spec(ScoreFunction::sigmoid, 2);
  gate.renormalise = true;
  gate.scale = 2.5;
  gate.shared_slots = 1;
  const auto w = gate_weights(gate, kLogits, std::vector<std::uint16_t>{3, 2, 4});
  const double routed[2] = {0.8, 0.75};
  const double sum = routed[0] + routed[1];
  const double shared = sum / gate.scale;
  ASSERT_EQ(w.size(), 3u);
  EXPECT_NEAR(w[0], routed[0] / sum * 2.5, 1e-12);
  EXPECT_NEAR(w[1], routed[1] / sum * 2.5, 1e-12);
  EXPECT_NEAR(w[2], shared / sum * 2.5, 1e-12);
  EXPECT_THROW(gate_weights(gate, kLogits, std::vector<std::uint16_t>{5}), std::invalid_argument);
}

TEST(GateWeights, HashRoutedWeightsAreRenormalisedScores) {
  GateSpec gate = gate_spec(ScoreFunction::sqrt_softplus, 2);
  gate.hash = true;
  gate.renormalise = true;
  gate.scale = 1.5;
  const auto w = gate_weights(gate, kLogits, std::vector<std::uint16_t>{0, 3});
  const double a = std::sqrt(std::log(2.0)), b = std::sqrt(std::log(5.0));
  EXPECT_NEAR(w[0], 1.5 * a / (a + b), 1e-12);
  EXPECT_NEAR(w[1], 1.5 * b / (a + b), 1e-12);
}

TEST(GateWeights, MinusInfinityStaysFinite) {
  const double inf = std::numeric_limits<double>::infinity();
  GateSpec gate = gate_spec(ScoreFunction::softmax, 2);
  gate.renormalise = true;
  const std::vector<std::uint16_t> chosen = {0, 1};
  EXPECT_EQ(gate_weights(gate, std::vector<double>{-inf, 1, -inf}, chosen),
            (std::vector<double>{0, 1}));
  EXPECT_EQ(gate_weights(gate, std::vector<double>{-inf, -inf}, chosen),
            (std::vector<double>{0.5, 0.5}));
}

TEST(GateWeights, RefusesVectorsOfTheWrongLength) {
  const std::vector<double> three = {1, 2, 3};
  EXPECT_THROW(gate_weights(gate_spec(ScoreFunction::softmax, 2), kLogits, kChosen, {three, {}}),
               std::invalid_argument);
  EXPECT_THROW(gate_weights(gate_spec(ScoreFunction::softmax, 2), kLogits, kChosen, {{}, three}),
               std::invalid_argument);
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
