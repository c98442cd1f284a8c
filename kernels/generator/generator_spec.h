#pragma once
/// The question put to the alias generator: the second exact form of random routing.

#include <cstdint>
#include <vector>

namespace tollgate::kernels {

/// Log-normal expert popularity with stickiness. The weight of expert e for a token of a sequence
/// is
///
///   w[e] = exp(sigma_global * G[layer][e] + sigma_domain * J[layer] * D[layer][domain][e]
///              + sigma_topic * Q[layer][domain][topic][e])
///
/// with G, D, Q standard normal and J[layer] = exp(layer_jitter * N(0,1)), all drawn once from the
/// seed. A token's experts are drawn one after the other without replacement (Plackett-Luce) from
///
///   q[e] = (1 - stickiness) * w[e] / sum w + stickiness / top_k * [e chosen by the previous token]
///
/// where "previous" is the token before in the same sequence at the same layer; the first token of
/// a sequence has stickiness 0.
///
/// Against `PopularitySpec` with a gate: no gate, no logits and no groups, but O(top_k) work per
/// token instead of O(experts), and correlation from token to token.
struct GeneratorSpec {
  double sigma_global = 0.0;  ///< standard deviation of log weight, 0..4
  double sigma_domain = 0.0;  ///< 0..4
  double sigma_topic = 0.0;   ///< 0..4
  double stickiness = 0.0;    ///< 0..0.9, in steps of 2^-16
  double layer_jitter = 0.0;  ///< standard deviation of the log of sigma_domain over layers, 0..1

  int domains = 1;              ///< equally likely; domains * topics is at most 4096
  int topics = 1;               ///< per domain, equally likely
  int tokens_per_sequence = 1;  ///< at least 1; 1 is a decode batch, where nothing is sticky

  /// Probability that a token keeps the topic of the token before; else it draws one anew. 1 is one
  /// topic per sequence; less makes tokens of one sequence differ, together at all layers.
  double topic_hold = 1.0;

  /// One topic id per token for all layers: what a layer chooses then tells about the next layer.
  /// Otherwise every layer draws its own.
  bool shared_topics = true;

  /// Drift of the domain popularity from one window to the next:
  /// D <- drift * D + sqrt(1 - drift^2) * N(0,1), 0..1. 1 is no drift, 0 forgets everything.
  double drift = 1.0;
};

/// One sequence of a given layout.
struct SequenceShape {
  int domain = 0;
  int tokens = 0;
};

struct GeneratorProblem {
  GeneratorSpec spec;
  int experts = 0;  ///< per layer, top_k..1024
  int top_k = 1;    ///< 1..32
  int layers = 1;
  int tokens = 0;  ///< per layer, at most 2^24; with `sequences` it may stay 0

  std::uint64_t seed = 0;    ///< everything random hangs on it, the popularity included
  std::uint32_t stream = 0;  ///< other tokens over the same popularity: trial, replica, step
  int window = 0;            ///< 0..65535, other tokens and D after this many steps of drift

  /// Lengths and domains of the sequences, in order. Empty: equal runs of `tokens_per_sequence`
  /// tokens (the last may be shorter), each with a random domain.
  std::vector<SequenceShape> sequences;

  /// Weights that replace the log-normal ones at every context: empty or [layer][expert], each at
  /// least 0 and below 2^31, with a positive one in every layer.
  std::vector<std::uint32_t> weights;
};

/// Throws std::invalid_argument with a full sentence if the problem makes no sense or is beyond the
/// limits above.
void validate(const GeneratorProblem& problem);

}  // namespace tollgate::kernels
