#pragma once
/// How unequally the experts of a layer are liked: the parameters, no code.

namespace tollgate::kernels {

/// Log-normal expert popularity with domains and topics. The logit of expert e for a token is
///
///   x[e] = sigma_global * G[layer][e] + sigma_domain * D[layer][domain][e]
///        + sigma_topic * Q[layer][domain][topic][e] + Gumbel noise of the token
///
/// with G, D, Q standard normal and drawn once, so that ranking x samples experts without
/// replacement with weights exp(x - noise) (Plackett-Luce). All sigmas zero is uniform routing.
/// Typical values: docs/method.md, "Popularity".
///
/// Consecutive runs of `tokens_per_sequence` tokens form a sequence; every sequence draws one
/// domain and one topic, the same at all layers. 1 is a decode batch (each token from another
/// request), a chunk length is prefill.
struct PopularitySpec {
  double sigma_global = 0.0;    ///< standard deviation of log weight, 0..16
  double sigma_domain = 0.0;    ///< 0..16
  double sigma_topic = 0.0;     ///< 0..16
  int domains = 1;              ///< equally likely; domains * topics is at most 4096
  int topics = 1;               ///< per domain, equally likely
  int tokens_per_sequence = 1;  ///< at least 1
};

}  // namespace tollgate::kernels
