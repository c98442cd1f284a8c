#include "sim/timing/routing_table.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/dispatch/study.h"

namespace tollgate {
namespace {

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

}  // namespace

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

RoutingTable::RoutingTable(std::vector<Point> points, double destination_ranks, int ranks,
                           double destination_nodes)
    : points_(std::move(points)),
      destination_ranks_(destination_ranks),
      ranks_(ranks),
      destination_nodes_(destination_nodes) {}

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

namespace {

/// The same statistics under a plan made from another window of the traffic.
std::vector<RoutingTable> planned_tables(const kernels::RoutingProblem& problem,
                                         const kernels::RoutingStats& stats, const ExpertPlan& plan,
                                         const kernels::RoutingBackend& backend) {
  kernels::RoutingProblem earlier = problem;
  earlier.stream = problem.stream + 1;
  if (plan.plan_domains > 0) earlier.popularity.domains = plan.plan_domains;
  const auto window = [](const std::vector<std::uint16_t>& ids, const kernels::RoutingProblem& p) {
    return kernels::Selections{ids, p.layers, p.tokens, p.gate.top_k};
  };
  const std::vector<std::uint16_t> planned_on = backend.select(earlier),
                                   served = backend.select(problem);
  const auto counts = kernels::count_experts(window(planned_on, earlier), problem.experts);
  std::vector<RoutingTable> tables;
  for (const int ranks : problem.rank_counts) {
    kernels::EplbOptions options;
    options.slots = kernels::slots_for(problem.experts, plan.redundant, ranks);
    options.groups = problem.gate.groups;
    options.grid = {ranks, ranks % plan.ranks_per_node == 0 ? plan.ranks_per_node : ranks};
    const auto placements = kernels::eplb_placements(counts, problem.layers, options);
    std::vector<RoutingTable::Point> points;
    double destinations = 1, nodes = 1;
    for (const int t : problem.batch_sizes) {
      kernels::StudyOptions study;
      study.batch_size = t;
      study.tile = 64;
      study.zero_experts = problem.gate.zero_experts;
      const kernels::DispatchStats step =
          kernels::study_dispatch(window(served, problem), placements, study);
      const double mean = step.rows.mean() / ranks;
      points.push_back({static_cast<double>(t), step.mean_imbalance(),
                        static_cast<double>(step.busiest_rows.p95()) / mean,
                        step.active_slots.mean(), stats.batch(t).mean_distinct_experts(),
                        step.padded_rows.mean()});
      destinations = step.spread.ranks_per_token();
      nodes = step.spread.nodes_per_token();
    }
    tables.emplace_back(std::move(points), destinations, ranks, nodes);
  }
  return tables;
}

}  // namespace

std::vector<RoutingTable> make_routing_tables(const FfnSpec& ffn, std::string_view family,
                                              const RoutingSpec& spec, std::uint64_t seed,
                                              const std::vector<int>& ranks,
                                              const kernels::RoutingBackend& backend,
                                              int tokens_per_sequence, const ExpertPlan& plan) {
  kernels::RoutingProblem problem;
  problem.gate = gate_of(ffn);
  problem.experts = ffn.experts;
  if (spec.popularity == RoutingSpec::Popularity::family && !ffn.router.hash) {
    problem.popularity = popularity_of(family);
    problem.popularity.domains = spec.domains;
  } else if (spec.popularity == RoutingSpec::Popularity::lognormal) {
    problem.popularity.sigma_global = spec.sigma;
  }
  problem.popularity.tokens_per_sequence = tokens_per_sequence;
  problem.seed = seed;
  problem.layers = spec.layers;
  problem.tokens = spec.tokens;
  for (int t = 1; t <= spec.tokens; t *= 2) problem.batch_sizes.push_back(t);
  problem.rank_counts = ranks;
  if (plan.planned) return planned_tables(problem, backend.route(problem), plan, backend);

  // Contiguous ranks make contiguous nodes, so nodes are counted as if they were ranks.
  const auto nodes_of = [&](int r) {
    return r % plan.ranks_per_node == 0 ? r / plan.ranks_per_node : 1;
  };
  for (const int r : ranks) {
    if (std::find(problem.rank_counts.begin(), problem.rank_counts.end(), nodes_of(r)) ==
        problem.rank_counts.end()) {
      problem.rank_counts.push_back(nodes_of(r));
    }
  }
  const kernels::RoutingStats stats = backend.route(problem);
  std::vector<RoutingTable> tables;
  for (const int rank_count : ranks) {
    std::vector<RoutingTable::Point> points;
    for (const int t : problem.batch_sizes) {
      const kernels::BatchStats& batch = stats.batch(t);
      const kernels::RankStats& rank = stats.ranks(t, rank_count);
      points.push_back({static_cast<double>(t), rank.mean_imbalance(),
                        rank.busiest_load_percentile(95) / rank.mean_rank_load,
                        rank.mean_max_distinct(), batch.mean_distinct_experts(),
                        rank.mean_padded_rows_64()});
    }
    tables.emplace_back(std::move(points), stats.traffic_to(rank_count).mean_destination_ranks(),
                        rank_count,
                        stats.traffic_to(nodes_of(rank_count)).mean_destination_ranks());
  }
  return tables;
}

}  // namespace tollgate
