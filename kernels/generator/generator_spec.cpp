#include "kernels/generator/generator_spec.h"

#include <stdexcept>
#include <string>

#include "kernels/core/gate_spec.h"

namespace tollgate::kernels {
namespace {

void require(bool ok, const std::string& sentence) {
  if (!ok) throw std::invalid_argument(sentence);
}

void require_range(double value, double low, double high, const char* what) {
  require(value >= low && value <= high, std::string(what) + " is " + std::to_string(value) +
                                             "; it must be from " + std::to_string(low) + " to " +
                                             std::to_string(high) + ".");
}

}  // namespace

void validate(const GeneratorProblem& problem) {
  const GeneratorSpec& spec = problem.spec;
  require_range(problem.experts, 1, kMaxExperts, "The number of experts");
  require_range(problem.top_k, 1, kMaxTopK, "top_k");
  require(problem.top_k <= problem.experts, "top_k is larger than the number of experts.");
  require_range(problem.layers, 1, 1 << 16, "The number of layers");
  require_range(problem.window, 0, 65535, "The window");
  require_range(spec.sigma_global, 0, 4, "sigma_global");
  require_range(spec.sigma_domain, 0, 4, "sigma_domain");
  require_range(spec.sigma_topic, 0, 4, "sigma_topic");
  require_range(spec.stickiness, 0, 0.9, "stickiness");
  require_range(spec.layer_jitter, 0, 1, "layer_jitter");
  require_range(spec.topic_hold, 0, 1, "topic_hold");
  require_range(spec.drift, 0, 1, "drift");
  require_range(spec.domains, 1, 4096, "The number of domains");
  require_range(spec.topics, 1, 4096, "The number of topics");
  require(spec.domains * spec.topics <= 4096, "domains * topics is larger than 4096.");
  require(
      static_cast<std::int64_t>(problem.layers) * spec.domains * spec.topics * problem.experts <=
          std::int64_t{1} << 28,
      "layers * domains * topics * experts is larger than 2^28.");
  require(spec.tokens_per_sequence >= 1, "tokens_per_sequence must be at least 1.");

  std::int64_t tokens = problem.sequences.empty() ? problem.tokens : 0;
  for (const SequenceShape& sequence : problem.sequences) {
    require(sequence.tokens >= 1, "A sequence has no tokens.");
    require(sequence.domain >= 0 && sequence.domain < spec.domains,
            "A sequence has domain " + std::to_string(sequence.domain) + " of " +
                std::to_string(spec.domains) + ".");
    tokens += sequence.tokens;
  }
  require(tokens >= 1 && tokens <= 1 << 24,
          "There are " + std::to_string(tokens) + " tokens per layer; 1 to 2^24 are possible.");
  require(problem.sequences.empty() || problem.tokens == 0 || problem.tokens == tokens,
          "The number of tokens is not the sum of the sequences' tokens.");

  if (problem.weights.empty()) return;
  const std::size_t experts = static_cast<std::size_t>(problem.experts);
  require(problem.weights.size() == static_cast<std::size_t>(problem.layers) * experts,
          "There must be one weight per layer and expert.");
  for (int layer = 0; layer < problem.layers; ++layer) {
    bool positive = false;
    for (std::size_t e = 0; e < experts; ++e) {
      const std::uint32_t w = problem.weights[static_cast<std::size_t>(layer) * experts + e];
      require(w < 1u << 31, "A weight is 2^31 or more.");
      positive = positive || w > 0;
    }
    require(positive, "All weights of layer " + std::to_string(layer) + " are zero.");
  }
}

}  // namespace tollgate::kernels
