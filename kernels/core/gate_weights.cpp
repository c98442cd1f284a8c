#include "kernels/core/gate_weights.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {
namespace {

double plain_score(ScoreFunction function, double x, double softmax_max, double softmax_sum) {
  switch (function) {
    case ScoreFunction::softmax:
      return std::exp(x - softmax_max) / softmax_sum;
    case ScoreFunction::sigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case ScoreFunction::sqrt_softplus:
      return std::sqrt(x > 20 ? x : std::log1p(std::exp(x)));
    case ScoreFunction::identity:
      break;
  }
  return x;
}

}  // namespace

std::vector<double> gate_weights(const GateSpec& gate, std::span<const double> logits,
                                 std::span<const std::uint16_t> chosen) {
  std::vector<double> picked;
  for (const std::uint16_t expert : chosen) {
    if (expert >= logits.size()) {
      throw std::invalid_argument("Expert " + std::to_string(expert) +
                                  " was chosen, but there are " + std::to_string(logits.size()) +
                                  " logits.");
    }
    picked.push_back(logits[expert]);
  }
  if (picked.empty()) return picked;

  const bool over_all = gate.order == ScoreOrder::score_then_top_k;
  const std::span<const double> domain = over_all ? logits : std::span<const double>(picked);
  const double largest = *std::max_element(domain.begin(), domain.end());
  double sum = 0;
  for (const double x : domain) sum += std::exp(x - largest);

  std::vector<double> weights;
  double total = 0;
  for (const double x : picked) {
    weights.push_back(plain_score(gate.score, x, largest, sum));
    total += weights.back();
  }
  for (double& w : weights) {
    if (gate.renormalise) w /= total + 1e-20;
    w *= gate.scale;
  }
  return weights;
}

}  // namespace tollgate::kernels
