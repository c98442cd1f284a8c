#include "sim/timing/routing_table.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tollgate {
namespace {

/// Of top_k choices over experts and zero experts, those with work to do, on average (LongCat-Flash
/// reports 8 of 12).
int real_choices(const FfnSpec& ffn) {
  const double share = static_cast<double>(ffn.experts) / (ffn.experts + ffn.zero_experts);
  return std::max(1, static_cast<int>(std::lround(ffn.top_k * share)));
}

}  // namespace

kernels::GateSpec gate_of(const FfnSpec& ffn) {
  kernels::GateSpec gate;
  const RouterSpec& r = ffn.router;
  gate.score = r.score == GateScore::softmax   ? kernels::ScoreFunction::softmax
               : r.score == GateScore::sigmoid ? kernels::ScoreFunction::sigmoid
                                               : kernels::ScoreFunction::sqrt_softplus;
  gate.order = r.order == GateOrder::score_then_top_k ? kernels::ScoreOrder::score_then_top_k
                                                      : kernels::ScoreOrder::top_k_then_score;
  // On softmax scores the engine knows no bias.
  gate.bias = r.bias && r.score != GateScore::softmax ? kernels::BiasMode::on_score : kernels::BiasMode::none;
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

kernels::PopularitySpec popularity_of(std::string_view family) {
  const FamilyPopularity& known = family_popularity(family);
  kernels::PopularitySpec popularity;
  popularity.sigma_global = known.sigma_global;
  popularity.sigma_domain = known.sigma_domain;
  popularity.sigma_topic = known.sigma_topic;
  popularity.domains = 4;
  popularity.topics = 8;
  return popularity;
}

const FamilyPopularity& family_popularity(std::string_view family) {
  // Fitted: moments matched to published traces (Mixtral and OLMoE expert counts of allenai/OLMoE,
  // per-token choices of deepseek-ai/ESFT). The others are scaled from those with reports on the
  // model, or guessed.
  static constexpr std::array<FamilyPopularity, 16> families{{
      {"", .35, .90, .25, Provenance::assumed},
      {"mixtral", .08, .12, .10, Provenance::fitted},
      {"olmoe", .25, 1.0, .25, Provenance::fitted},
      {"deepseek-v2", .38, .72, .22, Provenance::fitted},
      {"deepseek-v3", .25, .50, .20, Provenance::extrapolated},
      {"deepseek-v4", .25, .60, .25, Provenance::assumed},
      {"glm", .25, .50, .20, Provenance::extrapolated},
      {"minimax", .25, .50, .20, Provenance::extrapolated},
      {"qwen3.5", .25, .50, .20, Provenance::extrapolated},
      {"qwen3-moe", .35, .90, .25, Provenance::extrapolated},
      {"gpt-oss", .35, .90, .25, Provenance::extrapolated},
      {"kimi", .25, .60, .25, Provenance::assumed},
      {"kimi-k3", .15, .40, .20, Provenance::assumed},
      {"llama4", .35, .90, .25, Provenance::assumed},
      {"step", .25, .60, .25, Provenance::assumed},
      {"longcat", .25, .60, .25, Provenance::assumed},
  }};
  for (const FamilyPopularity& entry : families) {
    if (entry.family == family) return entry;
  }
  return families[0];
}

RoutingTable::RoutingTable(std::vector<Point> points, double destination_ranks, int ranks)
    : points_(std::move(points)), destination_ranks_(destination_ranks), ranks_(ranks) {}

RoutingTable::Point mix(const RoutingTable::Point& a, const RoutingTable::Point& b, double share) {
  const auto between = [share](double u, double v) { return u + share * (v - u); };
  return {between(a.tokens, b.tokens),
          between(a.busiest_ratio, b.busiest_ratio),
          between(a.busiest_ratio_p95, b.busiest_ratio_p95),
          between(a.rank_distinct, b.rank_distinct),
          between(a.distinct, b.distinct),
          between(a.padded_rows, b.padded_rows)};
}

RoutingTable::Point RoutingTable::at(double tokens) const {
  const Point& first = points_.front();
  const Point& last = points_.back();
  if (tokens <= first.tokens || tokens >= last.tokens) {
    Point p = tokens <= first.tokens ? first : last;
    p.padded_rows *= std::max(1.0, tokens / p.tokens);
    p.tokens = tokens;
    return p;
  }
  // Points stand at powers of two.
  const auto i = static_cast<std::size_t>(std::ilogb(tokens));
  const Point& a = points_[i];
  const Point& b = points_[std::min(i + 1, points_.size() - 1)];
  RoutingTable::Point p = mix(a, b, (tokens - a.tokens) / (b.tokens - a.tokens));
  p.tokens = tokens;
  return p;
}

std::vector<RoutingTable> make_routing_tables(const FfnSpec& ffn, std::string_view family,
                                              const RoutingSpec& spec, std::uint64_t seed,
                                              const std::vector<int>& ranks,
                                              const kernels::RoutingBackend& backend,
                                              int tokens_per_sequence) {
  kernels::RoutingProblem problem;
  problem.gate = gate_of(ffn);
  problem.experts = ffn.experts;
  if (spec.popularity == RoutingSpec::Popularity::family && !ffn.router.hash) {
    problem.popularity = popularity_of(family);
  } else if (spec.popularity == RoutingSpec::Popularity::lognormal) {
    problem.popularity.sigma_global = spec.sigma;
  }
  problem.popularity.tokens_per_sequence = tokens_per_sequence;
  problem.seed = seed;
  problem.layers = spec.layers;
  problem.tokens = spec.tokens;
  for (int t = 1; t <= spec.tokens; t *= 2) problem.batch_sizes.push_back(t);
  problem.rank_counts = ranks;

  const kernels::RoutingStats stats = backend.route(problem);
  std::vector<RoutingTable> tables;
  for (const int rank_count : ranks) {
    std::vector<RoutingTable::Point> points;
    for (const int t : problem.batch_sizes) {
      const kernels::BatchStats& batch = stats.batch(t);
      const kernels::RankStats& rank = stats.ranks(t, rank_count);
      points.push_back({static_cast<double>(t), rank.mean_imbalance(),
                        rank.busiest_load_percentile(95) / rank.mean_rank_load, rank.mean_max_distinct(),
                        batch.mean_distinct_experts(), rank.mean_padded_rows_64()});
    }
    tables.emplace_back(std::move(points), stats.traffic_to(rank_count).mean_destination_ranks(), rank_count);
  }
  return tables;
}

}  // namespace tollgate
