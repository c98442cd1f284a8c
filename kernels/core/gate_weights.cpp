#include "kernels/core/gate_weights.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {
namespace {

/// exp(x - largest), also where both are infinite.
double raised(double x, double largest) { return x == largest ? 1.0 : std::exp(x - largest); }

double plain_score(ScoreFunction function, double x, double softmax_max, double softmax_sum) {
  switch (function) {
    case ScoreFunction::softmax:
      return raised(x, softmax_max) / softmax_sum;
    case ScoreFunction::sigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case ScoreFunction::sqrt_softplus:
      return std::sqrt(x > 20 ? x : std::log1p(std::exp(x)));
    case ScoreFunction::identity:
      break;
  }
  return x;
}

void check_length(std::span<const double> values, std::size_t experts, const char* what) {
  if (values.empty() || values.size() == experts) return;
  throw std::invalid_argument("The " + std::string(what) + " has " + std::to_string(values.size()) +
                              " values, but there are " + std::to_string(experts) + " logits.");
}

}  // namespace

std::vector<double> gate_weights(const GateSpec& gate, std::span<const double> logits,
                                 std::span<const std::uint16_t> chosen,
                                 const ExpertVectors& vectors) {
  check_length(vectors.bias, logits.size(), "bias");
  check_length(vectors.scale, logits.size(), "expert scale");
  std::vector<double> scored(logits.begin(), logits.end());
  if (gate.bias == BiasMode::on_logit_and_weight && !vectors.bias.empty()) {
    for (std::size_t e = 0; e < scored.size(); ++e) scored[e] += vectors.bias[e];
  }
  std::vector<double> picked;
  std::size_t shared = 0;
  for (const std::uint16_t expert : chosen) {
    if (expert < scored.size()) {
      picked.push_back(scored[expert]);
      continue;
    }
    ++shared;
    if (expert >= scored.size() + gate.shared_slots) {
      throw std::invalid_argument("Expert " + std::to_string(expert) +
                                  " was chosen, but there are " + std::to_string(scored.size()) +
                                  " logits.");
    }
  }
  if (picked.empty()) return std::vector<double>(shared, 1.0);

  const bool over_all = gate.order == ScoreOrder::score_then_top_k;
  const std::vector<double>& domain = over_all ? scored : picked;
  const double largest = *std::max_element(domain.begin(), domain.end());
  double sum = 0;
  for (const double x : domain) sum += raised(x, largest);

  double total = 0;
  for (const double x : picked) total += plain_score(gate.score, x, largest, sum);
  std::vector<double> weights;
  for (const std::uint16_t expert : chosen) {
    if (expert >= scored.size()) {
      weights.push_back(1.0);
      continue;
    }
    double w = plain_score(gate.score, scored[expert], largest, sum);
    if (gate.renormalise) w /= total + 1e-20;
    if (gate.expert_scale && !vectors.scale.empty()) w *= vectors.scale[expert];
    weights.push_back(w * gate.scale);
  }
  return weights;
}

}  // namespace tollgate::kernels
