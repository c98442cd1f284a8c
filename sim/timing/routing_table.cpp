#include "sim/timing/routing_table.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "kernels/dispatch/step_loads.h"

namespace tollgate {

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
          between(a.rows16, b.rows16),
          between(a.rows64, b.rows64),
          between(a.rows128, b.rows128),
          between(a.slots_read, b.slots_read),
          between(a.link_ratio, b.link_ratio),
          between(a.step_p50, b.step_p50),
          between(a.step_p95, b.step_p95)};
}

namespace {

void scale_rows(RoutingTable::Point& p, double factor) {
  for (double* rows : {&p.rows16, &p.rows64, &p.rows128}) *rows *= factor;
}

}  // namespace

RoutingTable::Point RoutingTable::at(double tokens) const {
  const Point& first = points_.front();
  const Point& last = points_.back();
  if (tokens <= first.tokens || tokens >= last.tokens) {
    Point p = tokens <= first.tokens ? first : last;
    scale_rows(p, std::max(1.0, tokens / p.tokens));
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

RoutingTable RoutingTable::of_step(Step step) const {
  RoutingTable table = *this;
  for (Point& p : table.points_) {
    const double ratio = (step == Step::p50 ? p.step_p50 : p.step_p95) / p.busiest_ratio;
    p.busiest_ratio *= ratio;
    scale_rows(p, ratio);
    p.link_ratio = std::max(1.0, p.link_ratio * ratio);
  }
  return table;
}

namespace {

/// Prompts come in large batches; below this their links are taken as loaded as their ranks.
constexpr int fewest_prompt_tokens = 256;

/// Steps of a layer looked at where every size is counted anew; with eight layers 1024 samples.
constexpr int most_steps = 128;

double over(double busiest, double all, int parts) { return all > 0 ? busiest * parts / all : 1; }

RoutingTable table_of(const kernels::RoutedWindow& window,
                      const std::vector<kernels::Placement>& placements, bool prompts) {
  const kernels::RankGrid grid = placements.front().grid;
  std::vector<int> sizes;
  for (int t = 1; t <= window.tokens; t *= 2) sizes.push_back(t);
  kernels::StepLoadOptions options;
  options.most_steps = most_steps;
  options.copies = true;
  options.zero_experts = window.zero_experts;
  options.tiles = {16, 64, 128};
  std::vector<RoutingTable::Point> points;
  double destinations = 1, nodes = 1;
  for (const kernels::StepLoads& loads :
       kernels::count_step_loads(window.selections(), placements, sizes, options)) {
    const int t = loads.batch_size;
    RoutingTable::Point p;
    p.tokens = t;
    p.busiest_ratio = loads.imbalance();
    p.busiest_ratio_p95 =
        over(static_cast<double>(loads.busiest_rows.p95()), loads.rows.mean(), grid.ranks);
    p.rank_distinct = loads.most_slots.mean();
    p.distinct = loads.active_experts.mean();
    p.rows16 = loads.padded_rows[0].mean();
    p.rows64 = loads.padded_rows[1].mean();
    p.rows128 = loads.padded_rows[2].mean();
    p.slots_read = loads.active_slots.mean();
    const std::vector<double> steps = loads.step_imbalance();
    p.step_p50 = kernels::percentile_of(steps, 50);
    p.step_p95 = kernels::percentile_of(steps, 95);
    p.link_ratio = p.busiest_ratio;
    const double sent = static_cast<double>(t) * loads.layers * loads.steps;
    destinations = static_cast<double>(loads.rank_copies.sum()) / sent;
    nodes = static_cast<double>(loads.node_copies.sum()) / sent;
    // Between nodes the network is the bottleneck, and relays share out what comes for a node.
    if (prompts && t >= fewest_prompt_tokens) {
      p.link_ratio = grid.nodes() > 1
                         ? over(static_cast<double>(loads.busiest_node_copies.sum()),
                                static_cast<double>(loads.node_copies.sum()), grid.nodes())
                         : over(static_cast<double>(loads.busiest_rank_copies.sum()),
                                static_cast<double>(loads.rank_copies.sum()), grid.ranks);
    }
    points.push_back(p);
  }
  return {std::move(points), destinations, grid.ranks, nodes};
}

}  // namespace

std::vector<RoutingTable> make_routing_tables(const kernels::RoutedWindow& window,
                                              const ExpertPlacer& placer,
                                              const std::vector<int>& ranks, bool prompts) {
  std::vector<std::optional<RoutingTable>> made(ranks.size());
  tbb::parallel_for(std::size_t{0}, ranks.size(), [&](std::size_t i) {
    made[i] = table_of(window, placer.at(ranks[i]), prompts);
  });
  std::vector<RoutingTable> tables;
  for (auto& table : made) tables.push_back(std::move(*table));
  return tables;
}

std::vector<RoutingTable> make_routing_tables(const FfnSpec& ffn,
                                              const FamilyPopularity& popularity,
                                              const RoutingSpec& spec, std::uint64_t seed,
                                              const std::vector<int>& ranks,
                                              const kernels::RoutingBackend& backend,
                                              int tokens_per_sequence, const ExpertPlan& plan) {
  const RoutingSource source(ffn, popularity, spec, seed, backend);
  const WindowRequest served{spec.tokens, tokens_per_sequence};
  const ExpertPlacer placer(plan, source, {spec.tokens, 1});
  return make_routing_tables(source.window(served), placer, ranks, tokens_per_sequence > 1);
}

}  // namespace tollgate
