#include "kernels/dispatch/study.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/dispatch/dispatch.h"

namespace tollgate::kernels {
namespace {

using std::to_string;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

void check_selections(const Selections& s) {
  require(s.layers >= 1 && s.tokens >= 0 && s.top_k >= 1,
          "Selections have " + to_string(s.layers) + " layers, " + to_string(s.tokens) +
              " tokens and top-" + to_string(s.top_k) +
              ", but need at least one layer and one choice.");
  const std::size_t expected = static_cast<std::size_t>(s.layers) * s.tokens * s.top_k;
  require(s.ids.size() == expected, "There are " + to_string(s.ids.size()) +
                                        " selected experts, but " + to_string(s.layers) +
                                        " layers x " + to_string(s.tokens) + " tokens x top-" +
                                        to_string(s.top_k) + " are " + to_string(expected) + ".");
}

std::vector<Distribution*> distributions(DispatchStats& s) {
  return {&s.rows,     &s.busiest_rows, &s.padded_rows, &s.active_slots, &s.sent,
          &s.received, &s.scale_up,     &s.network,     &s.network_total};
}

template <class T>
std::int64_t largest(const std::vector<T>& values) {
  return *std::max_element(values.begin(), values.end());
}

void add(const Spread& from, Spread& to) {
  to.tokens += from.tokens;
  to.choices += from.choices;
  to.destination_ranks += from.destination_ranks;
  to.destination_nodes += from.destination_nodes;
  to.remote_nodes += from.remote_nodes;
  to.most_nodes = std::max(to.most_nodes, from.most_nodes);
}

double mean_imbalance_of(std::span<const Placement> placements,
                         std::span<const std::int64_t> counts, int layers) {
  const std::size_t experts = counts.size() / layers;
  double sum = 0.0;
  for (int layer = 0; layer < layers; ++layer) {
    const Placement& placement = placements[placements.size() == 1 ? 0 : layer];
    sum += imbalance(placement, counts.subspan(layer * experts, experts));
  }
  return sum / layers;
}

}  // namespace

double DispatchStats::mean_imbalance() const {
  const std::int64_t routed = rows.sum();
  return routed == 0
             ? 1.0
             : static_cast<double>(busiest_rows.sum()) * ranks / static_cast<double>(routed);
}

DispatchStats study_dispatch(const Selections& selections, std::span<const Placement> placements,
                             const StudyOptions& options) {
  check_selections(selections);
  const int layers = selections.layers;
  require(placements.size() == 1 || placements.size() == static_cast<std::size_t>(layers),
          "There are " + to_string(placements.size()) + " placements for " + to_string(layers) +
              " layers; give one or one per layer.");
  for (const Placement& placement : placements) {
    require(placement.grid == placements[0].grid, "Placements of layers differ in their ranks.");
  }
  require(options.batch_size >= 1 && options.batch_size <= selections.tokens,
          "A step has " + to_string(options.batch_size) + " tokens, but must have 1 to the " +
              to_string(selections.tokens) + " tokens selected.");
  require(options.ranks_per_nic >= 1 && placements[0].grid.ranks % options.ranks_per_nic == 0,
          "NICs of " + to_string(options.ranks_per_nic) + " ranks do not divide the " +
              to_string(placements[0].grid.ranks) + " ranks evenly.");

  require(options.most_steps >= 1, "A study needs at least one step.");
  const int steps = std::min(options.most_steps, selections.tokens / options.batch_size);
  const std::size_t samples = static_cast<std::size_t>(layers) * steps;
  DispatchStats stats;
  stats.ranks = placements[0].grid.ranks;
  stats.samples = static_cast<std::int64_t>(samples);
  for (Distribution* d : distributions(stats)) d->samples.resize(samples);
  std::vector<Spread> spreads(samples);

  tbb::parallel_for(std::size_t{0}, samples, [&](std::size_t i) {
    const std::size_t layer = i / steps;
    const std::size_t first = layer * selections.tokens + i % steps * options.batch_size;
    const auto ids = selections.ids.subspan(
        first * selections.top_k, static_cast<std::size_t>(options.batch_size) * selections.top_k);
    const Placement& placement = placements[placements.size() == 1 ? 0 : layer];
    const std::vector<std::uint16_t> slots =
        choose_slots(ids, selections.top_k, placement, options.choice, options.zero_experts);
    const Dispatch dispatched = dispatch(slots, selections.top_k, placement, options.tile);
    const RankWork work = rank_work(dispatched, placement);
    const PortTraffic ports = count_ports(slots, selections.top_k, placement, options.mode);
    const LinkLoad network = link_load(ports.network, options.ranks_per_nic);

    stats.rows.samples[i] = dispatched.rows();
    stats.busiest_rows.samples[i] = largest(work.rows);
    stats.padded_rows.samples[i] = largest(work.padded_rows);
    stats.active_slots.samples[i] = largest(work.active_slots);
    stats.sent.samples[i] = largest(ports.logical.sent);
    stats.received.samples[i] = largest(ports.logical.received);
    stats.scale_up.samples[i] = link_load(ports.scale_up).busiest;
    stats.network.samples[i] = network.busiest;
    stats.network_total.samples[i] = network.total;
    spreads[i] = ports.spread;
  });
  for (const Spread& spread : spreads) add(spread, stats.spread);
  return stats;
}

std::vector<std::int64_t> count_experts(const Selections& selections, int experts) {
  check_selections(selections);
  require(experts >= 1, "The number of experts is " + to_string(experts) + ".");
  const std::size_t per_layer = static_cast<std::size_t>(selections.tokens) * selections.top_k;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(selections.layers) * experts, 0);
  for (int layer = 0; layer < selections.layers; ++layer) {
    std::int64_t* mine = counts.data() + static_cast<std::size_t>(layer) * experts;
    for (const std::uint16_t id : selections.ids.subspan(layer * per_layer, per_layer)) {
      if (id < experts) ++mine[id];
    }
  }
  return counts;
}

PlanStudy study_plan(std::span<const std::int64_t> planning_counts, const Selections& serving,
                     const EplbOptions& plan, const StudyOptions& options) {
  check_selections(serving);
  const int layers = serving.layers;
  const std::vector<Placement> planned = eplb_placements(planning_counts, layers, plan);
  const int experts = planned[0].experts;
  const std::vector<std::int64_t> counts = count_experts(serving, experts);
  const std::vector<Placement> fresh = eplb_placements(counts, layers, plan);
  const Placement contiguous =
      contiguous_placement(experts, slots_for(experts, 0, plan.grid.ranks), plan.grid);

  PlanStudy study;
  study.planned = mean_imbalance_of(planned, planning_counts, layers);
  study.contiguous = mean_imbalance_of({&contiguous, 1}, counts, layers);
  study.served = mean_imbalance_of(planned, counts, layers);
  study.fresh = mean_imbalance_of(fresh, counts, layers);
  study.steps_contiguous = study_dispatch(serving, {&contiguous, 1}, options);
  study.steps_served = study_dispatch(serving, planned, options);
  study.steps_fresh = study_dispatch(serving, fresh, options);
  return study;
}

}  // namespace tollgate::kernels
