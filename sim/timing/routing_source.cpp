#include "sim/timing/routing_source.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "kernels/core/philox.h"
#include "kernels/generator/alias_generator.h"
#include "kernels/generator/load_models.h"
#include "kernels/trace/trace_reader.h"
#include "sim/base/text.h"

namespace tollgate {
namespace {

using Popularity = RoutingSpec::Popularity;

/// Streams of this file's own draws, far from those of tokens.
constexpr std::uint32_t permutation_stream = 0xFFFF0001, replay_stream = 0xFFFF0002;

/// Of top_k choices over experts and zero experts, those with work to do, on average (LongCat-Flash
/// reports 8 of 12).
int real_choices(const FfnSpec& ffn) {
  const double share = static_cast<double>(ffn.experts) / (ffn.experts + ffn.zero_experts);
  return std::max(1, static_cast<int>(std::lround(ffn.top_k * share)));
}

/// Weights of a law without a memory of which expert is which, in another order at every layer.
std::vector<std::uint32_t> law_weights(const RoutingSpec& spec, int experts, int top_k,
                                       std::uint64_t seed) {
  std::vector<std::uint32_t> all;
  for (int layer = 0; layer < spec.layers; ++layer) {
    std::vector<std::uint32_t> weights;
    if (spec.popularity == Popularity::zipf) {
      weights = kernels::zipf_weights(experts, spec.exponent);
    } else {
      const auto counts =
          kernels::power_law_counts(experts, top_k, std::max(2, spec.tokens), spec.exponent, seed,
                                    static_cast<std::uint32_t>(layer));
      weights = kernels::replay_weights(counts, experts, top_k);
    }
    for (int e = experts - 1; e > 0; --e) {  // Fisher-Yates
      const auto words = kernels::philox4x32(static_cast<std::uint32_t>(e), 0,
                                             static_cast<std::uint32_t>(layer), permutation_stream,
                                             seed);
      const auto other = kernels::multiply_high(words.w[0], static_cast<std::uint32_t>(e) + 1);
      std::swap(weights[static_cast<std::size_t>(e)], weights[other]);
    }
    all.insert(all.end(), weights.begin(), weights.end());
  }
  return all;
}

/// Runs of `tokens_per_sequence` tokens of the trace, each beginning at a random token and going on
/// with the next sequences; the same positions at every layer.
kernels::RoutedWindow replay(const kernels::RoutingTrace& trace, const WindowRequest& request,
                             std::uint64_t seed) {
  std::vector<int> positions;
  for (const kernels::TraceSequence& s : trace.sequences) {
    if (request.domains > 0 && s.domain >= request.domains) continue;
    for (int t = 0; t < s.tokens; ++t) positions.push_back(s.first + t);
  }
  const auto k = static_cast<std::size_t>(trace.top_k);
  kernels::RoutedWindow window{trace.experts, trace.layers, request.tokens, trace.top_k, {}};
  window.ids.resize(static_cast<std::size_t>(window.layers) * window.tokens * k);
  std::size_t at = 0;
  for (int token = 0; token < request.tokens; ++token, ++at) {
    if (token % request.tokens_per_sequence == 0) {
      const auto words = kernels::philox4x32(
          static_cast<std::uint32_t>(token / request.tokens_per_sequence), 0, request.stream,
          replay_stream, seed);
      at = kernels::multiply_high(words.w[0], static_cast<std::uint32_t>(positions.size()));
    }
    const int from = positions[at % positions.size()];
    for (int layer = 0; layer < window.layers; ++layer) {
      const auto choice = trace.choice(layer, from);
      std::copy(choice.begin(), choice.end(),
                window.ids.begin() + static_cast<std::ptrdiff_t>(
                                         (static_cast<std::size_t>(layer) * window.tokens + token) *
                                         k));
    }
  }
  return window;
}

}  // namespace

struct RoutingSource::State {
  RoutingSpec spec;
  FamilyPopularity popularity;
  std::uint64_t seed = 0;
  const kernels::RoutingBackend* backend = nullptr;
  kernels::GateSpec gate;
  int experts = 0;
  int layers = 1;
  bool uniform = false;                         ///< by construction
  std::vector<std::uint32_t> weights;           ///< [layer][expert], of a law or of counts
  std::optional<kernels::RoutingTrace> replayed;

  Place asked() const { return place_of(spec.places, "trace"); }

  void read_trace() {
    const std::string& path = spec.trace;
    if (std::filesystem::is_directory(path)) {
      replayed = kernels::read_trace(kernels::find_trace_files(path), experts, gate.top_k);
      if (replayed->tokens() == 0) throw InputError(asked(), "the trace has no tokens.");
      layers = replayed->layers;
      return;
    }
    const kernels::ExpertCounts counts = kernels::read_expert_counts(path);
    if (counts.experts > experts) {
      throw InputError(asked(), path + " counts expert " + std::to_string(counts.experts - 1) +
                                    ", but the layer has " + std::to_string(experts) +
                                    " experts.");
    }
    layers = static_cast<int>(counts.layer_ids.size());
    std::vector<std::int64_t> wide;
    for (int layer = 0; layer < layers; ++layer) {
      const auto row = counts.counts.begin() + static_cast<std::ptrdiff_t>(layer) * counts.experts;
      wide.insert(wide.end(), row, row + counts.experts);
      wide.resize(wide.size() + static_cast<std::size_t>(experts - counts.experts), 0);
    }
    weights = kernels::replay_weights(wide, experts, gate.top_k);
  }

  kernels::RoutedWindow draw_logits(const WindowRequest& request) const {
    kernels::RoutingProblem problem;
    problem.gate = gate;
    problem.experts = experts;
    if (!uniform && spec.popularity == Popularity::family) {
      problem.popularity = popularity_of(popularity);
      if (request.domains > 0) problem.popularity.domains = request.domains;
    } else if (!uniform && spec.popularity == Popularity::lognormal) {
      problem.popularity.sigma_global = spec.sigma;
    }
    if (!weights.empty()) problem.log_popularity = kernels::log_popularity(weights, experts);
    problem.popularity.tokens_per_sequence = request.tokens_per_sequence;
    problem.seed = seed;
    problem.stream = request.stream;
    problem.layers = layers;
    problem.tokens = request.tokens;
    return {experts, layers, request.tokens, gate.top_k, backend->select(problem)};
  }

  kernels::RoutedWindow draw_alias(const WindowRequest& request) const {
    kernels::GeneratorProblem problem;
    kernels::GeneratorSpec& g = problem.spec;
    if (!uniform && spec.popularity == Popularity::family) {
      g.sigma_global = popularity.sigma_global;
      g.sigma_domain = popularity.sigma_domain;
      g.sigma_topic = popularity.sigma_topic;
      g.layer_jitter = popularity.layer_jitter;
      g.domains = request.domains > 0 ? request.domains : popularity.domains;
      g.topics = popularity.topics;
    } else if (!uniform && spec.popularity == Popularity::lognormal) {
      g.sigma_global = spec.sigma;
    }
    g.stickiness = uniform ? 0 : popularity.stickiness;
    g.tokens_per_sequence = request.tokens_per_sequence;
    problem.experts = experts;
    problem.top_k = gate.top_k;
    problem.layers = layers;
    problem.tokens = request.tokens;
    problem.seed = seed;
    problem.stream = request.stream;
    problem.weights = weights;
    return {experts, layers, request.tokens, gate.top_k,
            kernels::AliasGenerator(problem).select()};
  }
};

kernels::GateSpec gate_of(const FfnSpec& ffn) {
  kernels::GateSpec gate;
  const RouterSpec& r = ffn.router;
  gate.score = r.score == GateScore::softmax   ? kernels::ScoreFunction::softmax
               : r.score == GateScore::sigmoid ? kernels::ScoreFunction::sigmoid
                                               : kernels::ScoreFunction::sqrt_softplus;
  gate.order = r.order == GateOrder::score_then_top_k ? kernels::ScoreOrder::score_then_top_k
                                                      : kernels::ScoreOrder::top_k_then_score;
  // On softmax scores the engine knows no bias.
  gate.bias = r.bias && r.score != GateScore::softmax ? kernels::BiasMode::on_score
                                                      : kernels::BiasMode::none;
  gate.groups = r.groups;
  gate.groups_kept = r.groups_kept;
  // DeepSeek-V3 values a group by its two best biased scores, DeepSeek-V2 by its best.
  const bool two_best = r.bias && r.score != GateScore::softmax && ffn.experts / r.groups >= 2;
  gate.group_reduce = two_best ? kernels::GroupReduce::top2_sum : kernels::GroupReduce::max;
  gate.top_k = real_choices(ffn);
  gate.renormalise = r.renormalise;
  gate.scale = r.scale;
  return gate;
}

kernels::PopularitySpec popularity_of(const FamilyPopularity& family) {
  kernels::PopularitySpec popularity;
  popularity.sigma_global = family.sigma_global;
  popularity.sigma_domain = family.sigma_domain;
  popularity.sigma_topic = family.sigma_topic;
  popularity.domains = family.domains;
  popularity.topics = family.topics;
  return popularity;
}

RoutingSource::RoutingSource(const FfnSpec& ffn, const FamilyPopularity& popularity,
                             const RoutingSpec& spec, std::uint64_t seed,
                             const kernels::RoutingBackend& backend)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.spec = spec;
  s.popularity = popularity;
  s.seed = seed;
  s.backend = &backend;
  s.gate = gate_of(ffn);
  s.experts = ffn.experts;
  s.layers = spec.layers;
  s.uniform = ffn.router.hash || spec.popularity == Popularity::uniform;
  try {
    if (ffn.router.hash) return;
    if (spec.popularity == Popularity::trace) s.read_trace();
    if (spec.popularity == Popularity::zipf || spec.popularity == Popularity::power_law) {
      s.weights = law_weights(spec, s.experts, s.gate.top_k, seed);
    }
  } catch (const std::invalid_argument& error) {
    throw InputError(s.asked(), error.what());
  }
  if (spec.form == RoutingSpec::Form::alias && !s.replayed && s.gate.groups_kept < s.gate.groups) {
    throw InputError(place_of(spec.places, "form"),
                     "the alias form draws without expert groups, but this router keeps " +
                         std::to_string(s.gate.groups_kept) + " of " +
                         std::to_string(s.gate.groups) + "; use the logits form.");
  }
}

RoutingSource::~RoutingSource() = default;
RoutingSource::RoutingSource(RoutingSource&&) noexcept = default;

kernels::RoutedWindow RoutingSource::window(const WindowRequest& request) const {
  try {
    if (state_->replayed) return replay(*state_->replayed, request, state_->seed);
    return state_->spec.form == RoutingSpec::Form::alias ? state_->draw_alias(request)
                                                         : state_->draw_logits(request);
  } catch (const std::invalid_argument& error) {
    throw InputError(place_of(state_->spec.places, ""), error.what());
  }
}

int RoutingSource::experts() const { return state_->experts; }
int RoutingSource::top_k() const { return state_->gate.top_k; }
int RoutingSource::layers() const { return state_->layers; }
int RoutingSource::groups() const { return state_->gate.groups; }

std::string RoutingSource::description() const {
  const RoutingSpec& spec = state_->spec;
  const FamilyPopularity& p = state_->popularity;
  const bool alias = spec.form == RoutingSpec::Form::alias;
  const std::string sticky = alias ? ", stickiness " + shortest(p.stickiness) : "";
  if (state_->uniform) return "equally popular experts";
  switch (spec.popularity) {
    case Popularity::uniform:
      break;
    case Popularity::lognormal:
      return "log-normal popularity, sigma " + shortest(spec.sigma) + sticky;
    case Popularity::zipf:
      return "Zipf popularity, exponent " + shortest(spec.exponent) + sticky;
    case Popularity::power_law:
      return "power-law loads, exponent " + shortest(spec.exponent) + sticky;
    case Popularity::trace:
      return state_->replayed
                 ? "the choices of " + std::to_string(state_->replayed->tokens()) +
                       " tokens of a trace"
                 : "popularity of a table of counts" + sticky;
    case Popularity::family:
      return "popularity of family " + p.family + " (" + grade_of(p.confidence) + "): sigma " +
             shortest(p.sigma_global) + " global, " + shortest(p.sigma_domain) + " domain, " +
             shortest(p.sigma_topic) + " topic" + sticky;
  }
  return "equally popular experts";
}

}  // namespace tollgate
