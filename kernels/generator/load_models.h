#pragma once
/// Other models of expert popularity, for comparison and for what other programs write.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::kernels {

/// How popular the experts of a layer are, by a name that a command can take.
struct LoadModel {
  enum class Kind { uniform, zipf, power_law, counts };
  Kind kind = Kind::uniform;
  double exponent = 0;               ///< zipf: s; power_law: alpha; 0..8
  std::vector<std::int64_t> counts;  ///< counts: [layer][expert], as in ExpertCounts::counts
};

/// "uniform", "zipf:S" or "power_law:ALPHA", the numbers 0 to 8. Throws std::invalid_argument with
/// a sentence that names these forms.
LoadModel parse_load_model(std::string_view text);

/// "uniform", "Zipf 1.1", "power law 1.01 (AIConfigurator)" or "recorded counts", for a report.
std::string to_text(const LoadModel& model);

/// Weights for GeneratorProblem::weights, [layer][expert].
///
///   uniform    equal weights.
///   zipf       zipf_weights, the ranks given to experts in another random order at every layer, so
///              that the hottest are not all on the first rank.
///   power_law  replay_weights of power_law_counts, other ones at every layer. `tokens`, at least
///              2, is the size of the batch, by which this model's skew grows. Exponent 0 is
///              uniform, as AIConfigurator takes it.
///   counts     replay_weights of the counts; with another number of layers than `layers`, the
///              rows are spread over them evenly, layer l taking row l * rows / layers.
///
/// `tokens` matters to power_law only. Throws std::invalid_argument for numbers beyond the limits,
/// and for counts as replay_weights does.
std::vector<std::uint32_t> weights_of(const LoadModel& model, int experts, int top_k, int layers,
                                      int tokens, std::uint64_t seed);

/// Zipf: weight (e + 1)^-s for expert e, for GeneratorProblem::weights of one layer; s is 0..8.
/// Sorted loads of real routers are closer to log-normal than to this.
std::vector<std::uint32_t> zipf_weights(int experts, double s);

/// The load model of AIConfigurator, for compatibility only: every expert draws a load x with
/// density proportional to x^-alpha on [1, 0.8 * tokens], and the loads are scaled to
/// tokens * top_k (largest remainder, at most `tokens` per expert). Returns tokens per expert.
///
/// Because the upper end grows with `tokens`, so does the skew; in traces of real routers it falls
/// to a floor as the batch grows (docs/method.md has the figures). alpha is 0..8, tokens 2..2^24.
/// Source: ai-dynamo/aiconfigurator 095f58a5, docs/POWER_LAW_DISTRIBUTION.md, collector/helper.py.
std::vector<std::int64_t> power_law_counts(int experts, int top_k, int tokens, double alpha,
                                           std::uint64_t seed, std::uint32_t stream);

/// Weights for GeneratorProblem::weights that bring back measured counts: [layer][expert] in and
/// out. Drawing k experts without replacement flattens popularity, so the weight is not the count
/// but -ln(1 - p), with p = count * top_k / (sum of the layer's counts) the chance that a token has
/// the expert. An approximation, good for many experts: within a few per cent of every count for 64
/// experts and top-6 (see the test). A count above 0.999 per token is taken as that.
///
/// Throws std::invalid_argument for a negative count, a layer without any, or a number of counts
/// that is not a multiple of `experts`.
std::vector<std::uint32_t> replay_weights(std::span<const std::int64_t> counts, int experts,
                                          int top_k);

/// Natural logarithms of weights for RoutingProblem::log_popularity, so that a gate draws by them:
/// [layer][expert] in and out, 20 fraction bits, relative to the largest of the layer; a weight of
/// zero is -32, which no finite window chooses while enough others are left. Throws
/// std::invalid_argument if `experts` does not divide the weights or a layer has only zeros.
std::vector<std::int32_t> log_popularity(std::span<const std::uint32_t> weights, int experts);

}  // namespace tollgate::kernels
