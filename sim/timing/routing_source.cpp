#include "sim/timing/routing_source.h"

#include <algorithm>
#include <cmath>

#include "kernels/generator/alias_generator.h"
#include "kernels/generator/load_models.h"
#include "kernels/trace/record.h"
#include "kernels/trace/replay.h"
#include "sim/base/text.h"

namespace tollgate {
namespace {

using Popularity = RoutingSpec::Popularity;

/// Tokens times layers of one window: 1 GiB of chosen experts at top 8.
constexpr long long most_rows = 1 << 26;

kernels::BiasMode bias_mode_of(const RouterSpec& r) {
  if (!r.bias) return kernels::BiasMode::none;
  switch (r.bias_mode) {
    case GateBias::on_score:
      break;
    case GateBias::on_logit:
      return kernels::BiasMode::on_logit;
    case GateBias::on_logit_and_weight:
      return kernels::BiasMode::on_logit_and_weight;
  }
  return kernels::BiasMode::on_score;
}

/// A sentence with its place, where it has one: what a model says may come without `routing` keys.
[[noreturn]] void refuse(const RoutingSpec& spec, const char* key, const std::string& sentence) {
  const Place place = place_of(spec.places, key);
  if (place.file.empty()) throw InputError(sentence);
  throw InputError(place, sentence);
}

}  // namespace

struct RoutingSource::State {
  RoutingSpec spec;
  FamilyPopularity popularity;
  std::uint64_t seed = 0;
  const kernels::RoutingBackend* backend = nullptr;
  kernels::GateSpec gate;
  int experts = 0;
  int choices = 0;  ///< experts and zero experts
  int layers = 1;
  bool uniform = false;                ///< no popularity, or one that does not matter
  std::vector<std::uint32_t> weights;  ///< [layer][expert], of a law or of counts
  std::optional<kernels::RoutingTrace> replayed;
  std::string description;  ///< of the trace

  void read_trace() {
    kernels::RoutingRecord record = kernels::read_record(spec.trace, choices, gate.top_k);
    description = record.description;
    if (record.trace) {
      replayed = std::move(record.trace);
      layers = replayed->layers;
      return;
    }
    const kernels::ExpertCounts& counts = *record.counts;
    if (counts.experts > choices) {
      refuse(spec, "trace",
             spec.trace + " counts expert " + std::to_string(counts.experts - 1) +
                 ", but the layer has " + std::to_string(choices) + " experts.");
    }
    if (gate.zero_experts > 0 && counts.experts <= experts) {
      refuse(spec, "trace",
             spec.trace + " counts only experts with weights, but the layer has " +
                 std::to_string(gate.zero_experts) + " zero experts too, from id " +
                 std::to_string(experts) + " on, which take a share of the choices.");
    }
    layers = static_cast<int>(counts.layer_ids.size());
    kernels::LoadModel model{kernels::LoadModel::Kind::counts, 0, {}};
    for (int layer = 0; layer < layers; ++layer) {
      const auto row = counts.counts.begin() + static_cast<std::ptrdiff_t>(layer) * counts.experts;
      model.counts.insert(model.counts.end(), row, row + counts.experts);
      model.counts.resize(static_cast<std::size_t>(layer + 1) * choices, 0);
    }
    weights = kernels::weights_of(model, choices, gate.top_k, layers, spec.tokens, seed);
  }

  kernels::RoutedWindow replay(const WindowRequest& request) const {
    const int domain = request.domains == 1 ? 0 : -1;
    return {experts,
            gate.zero_experts,
            layers,
            request.tokens,
            gate.top_k,
            kernels::replay_window(*replayed, request.tokens, request.tokens_per_sequence, seed,
                                   request.stream, domain)};
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
    if (!weights.empty()) problem.log_popularity = kernels::log_popularity(weights, choices);
    problem.popularity.tokens_per_sequence = request.tokens_per_sequence;
    problem.seed = seed;
    problem.stream = request.stream;
    problem.layers = layers;
    problem.tokens = request.tokens;
    return {experts,        gate.zero_experts, layers,
            request.tokens, gate.top_k,        backend->select(problem)};
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
    problem.experts = choices;
    problem.top_k = gate.top_k;
    problem.layers = layers;
    problem.tokens = request.tokens;
    problem.seed = seed;
    problem.stream = request.stream;
    problem.weights = weights;
    return {experts,        gate.zero_experts, layers,
            request.tokens, gate.top_k,        kernels::AliasGenerator(problem).select()};
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
  gate.bias = bias_mode_of(r);
  gate.groups = r.groups;
  gate.groups_kept = r.groups_kept;
  gate.group_reduce =
      r.group_value == GroupValue::max ? kernels::GroupReduce::max : kernels::GroupReduce::top2_sum;
  gate.each_group = r.each_group;
  gate.top_k = ffn.top_k;
  gate.zero_experts = ffn.zero_experts;
  gate.hash = r.hash;
  gate.renormalise = r.renormalise;
  gate.expert_scale = r.expert_scale;
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
  s.choices = ffn.experts + ffn.zero_experts;
  s.layers = spec.layers;
  s.uniform = ffn.router.hash || spec.popularity == Popularity::uniform;
  try {
    if (ffn.router.hash) return;
    if (spec.popularity == Popularity::trace) s.read_trace();
    if (spec.popularity == Popularity::zipf || spec.popularity == Popularity::power_law) {
      const auto kind = spec.popularity == Popularity::zipf ? kernels::LoadModel::Kind::zipf
                                                            : kernels::LoadModel::Kind::power_law;
      s.weights = kernels::weights_of(
          {kind, spec.exponent, {}}, s.choices, s.gate.top_k, s.layers,
          std::max(2, spec.law_tokens > 0 ? spec.law_tokens : spec.tokens), seed);
    }
  } catch (const std::invalid_argument& error) {
    refuse(spec, spec.popularity == Popularity::trace ? "trace" : "exponent", error.what());
  }
  if (spec.form != RoutingSpec::Form::alias) return;
  if (s.replayed) {
    refuse(spec, "form",
           "recorded choices are replayed as they are; the alias form would draw new ones.");
  }
  if (s.gate.groups_kept < s.gate.groups || s.gate.each_group) {
    refuse(spec, "form",
           "the alias form draws without expert groups, but this router keeps " +
               (s.gate.each_group ? std::string("some experts of each of ")
                                  : std::to_string(s.gate.groups_kept) + " of ") +
               std::to_string(s.gate.groups) + (s.gate.each_group ? " groups" : "") +
               "; use the logits form.");
  }
}

RoutingSource::~RoutingSource() = default;
RoutingSource::RoutingSource(RoutingSource&&) noexcept = default;

kernels::RoutedWindow RoutingSource::window(const WindowRequest& request) const {
  const long long rows = 1LL * state_->layers * request.tokens;
  if (rows > most_rows) {
    refuse(state_->spec, "trace",
           std::to_string(state_->layers) + " layers of " + std::to_string(request.tokens) +
               " tokens are " + std::to_string(rows) + ", more than the " +
               std::to_string(most_rows) + " that are routed per run.");
  }
  try {
    if (state_->replayed) return state_->replay(request);
    if (state_->gate.hash) return state_->draw_logits(request);
    return state_->spec.form == RoutingSpec::Form::alias ? state_->draw_alias(request)
                                                         : state_->draw_logits(request);
  } catch (const std::invalid_argument& error) {
    refuse(state_->spec, "", error.what());
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
  if (state_->gate.hash) return "experts by token id, ids by Zipf's law (guessed)";
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
      return state_->description + (state_->replayed ? "" : sticky);
    case Popularity::family:
      return "popularity of family " + p.family + " (" + grade_of(p.confidence) + "): sigma " +
             shortest(p.sigma_global) + " global, " + shortest(p.sigma_domain) + " domain, " +
             shortest(p.sigma_topic) + " topic" + sticky;
  }
  return "equally popular experts";
}

}  // namespace tollgate
