#include "kernels/dispatch/step_loads.h"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {
namespace {

using std::to_string;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

/// Counters of one thread.
struct Scratch {
  std::vector<std::int32_t> rows;         ///< [slot]
  std::vector<std::int32_t> expert_rows;  ///< [expert]
  std::vector<std::int32_t> rank_seen, node_seen;
  std::vector<std::int64_t> to_rank, to_node;
};

std::vector<Distribution*> work_of(StepLoads& s) {
  return {&s.rows,         &s.busiest_rows,   &s.padded_rows,   &s.most_slots,
          &s.active_slots, &s.active_experts, &s.hottest_expert};
}
std::vector<Distribution*> copies_of(StepLoads& s) {
  return {&s.rank_copies, &s.busiest_rank_copies, &s.node_copies, &s.busiest_node_copies};
}

void count_work(std::span<const std::uint16_t> slots, const Placement& placement, int tile,
                Scratch& scratch, StepLoads& out, std::size_t i) {
  scratch.rows.assign(static_cast<std::size_t>(placement.slots) + 1, 0);
  scratch.expert_rows.assign(placement.experts, 0);
  std::int32_t* rows = scratch.rows.data();
  for (const std::uint16_t slot : slots) ++rows[std::min<int>(slot, placement.slots)];
  const int per_rank = placement.slots_per_rank();
  std::int64_t all = 0, busiest = 0, padded_most = 0, most = 0, active = 0, experts = 0;
  std::int32_t hottest = 0;
  for (int rank = 0, slot = 0; rank < placement.grid.ranks; ++rank) {
    std::int64_t mine = 0, padded = 0, used = 0;
    for (const int end = slot + per_rank; slot < end; ++slot) {
      if (rows[slot] == 0) continue;
      mine += rows[slot];
      padded += (rows[slot] + tile - 1) / tile * tile;
      ++used;
      std::int32_t& of_expert = scratch.expert_rows[placement.expert_of_slot[slot]];
      experts += of_expert == 0 ? 1 : 0;
      of_expert += rows[slot];
      hottest = std::max(hottest, of_expert);
    }
    all += mine;
    active += used;
    busiest = std::max(busiest, mine);
    padded_most = std::max(padded_most, padded);
    most = std::max(most, used);
  }
  out.rows.samples[i] = all;
  out.busiest_rows.samples[i] = busiest;
  out.padded_rows.samples[i] = padded_most;
  out.most_slots.samples[i] = most;
  out.active_slots.samples[i] = active;
  out.active_experts.samples[i] = experts;
  out.hottest_expert.samples[i] = hottest;
}

void count_copies(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
                  Scratch& scratch, StepLoads& out, std::size_t i) {
  const RankGrid& grid = placement.grid;
  scratch.rank_seen.assign(grid.ranks, -1);
  scratch.node_seen.assign(grid.nodes(), -1);
  scratch.to_rank.assign(grid.ranks, 0);
  scratch.to_node.assign(grid.nodes(), 0);
  std::int32_t token = -1;
  for (std::size_t c = 0; c < slots.size(); ++c) {
    token += c % top_k == 0 ? 1 : 0;
    if (slots[c] == kNoSlot) continue;
    const int rank = placement.rank_of(slots[c]);
    if (scratch.rank_seen[rank] == token) continue;
    scratch.rank_seen[rank] = token;
    ++scratch.to_rank[rank];
    const int node = grid.node_of(rank);
    if (scratch.node_seen[node] == token) continue;
    scratch.node_seen[node] = token;
    ++scratch.to_node[node];
  }
  const auto total = [](const std::vector<std::int64_t>& v) {
    std::int64_t sum = 0;
    for (const std::int64_t n : v) sum += n;
    return sum;
  };
  out.rank_copies.samples[i] = total(scratch.to_rank);
  out.busiest_rank_copies.samples[i] =
      *std::max_element(scratch.to_rank.begin(), scratch.to_rank.end());
  out.node_copies.samples[i] = total(scratch.to_node);
  out.busiest_node_copies.samples[i] =
      *std::max_element(scratch.to_node.begin(), scratch.to_node.end());
}

}  // namespace

double StepLoads::imbalance() const {
  const std::int64_t routed = rows.sum();
  return routed == 0
             ? 1.0
             : static_cast<double>(busiest_rows.sum()) * ranks / static_cast<double>(routed);
}

std::vector<double> StepLoads::step_imbalance() const {
  std::vector<double> of_step;
  for (int step = 0; step < steps; ++step) {
    std::int64_t busiest = 0, all = 0;
    for (int layer = 0; layer < layers; ++layer) {
      const std::size_t i = static_cast<std::size_t>(layer) * steps + step;
      busiest += busiest_rows.samples[i];
      all += rows.samples[i];
    }
    of_step.push_back(all == 0 ? 1.0
                               : static_cast<double>(busiest) * ranks / static_cast<double>(all));
  }
  return of_step;
}

StepLoads count_step_loads(const Selections& s, std::span<const Placement> placements,
                           const StepLoadOptions& options) {
  require(s.layers >= 1 && s.tokens >= 0 && s.top_k >= 1 &&
              s.ids.size() == static_cast<std::size_t>(s.layers) * s.tokens * s.top_k,
          "There are " + to_string(s.ids.size()) + " selected experts, but " + to_string(s.layers) +
              " layers x " + to_string(s.tokens) + " tokens x top-" + to_string(s.top_k) + ".");
  require(placements.size() == 1 || placements.size() == static_cast<std::size_t>(s.layers),
          "There are " + to_string(placements.size()) + " placements for " + to_string(s.layers) +
              " layers; give one or one per layer.");
  for (const Placement& placement : placements) {
    require(placement.grid == placements[0].grid, "Placements of layers differ in their ranks.");
  }
  require(options.batch_size >= 1 && options.batch_size <= s.tokens,
          "A step has " + to_string(options.batch_size) + " tokens, but must have 1 to the " +
              to_string(s.tokens) + " tokens selected.");
  require(options.tile >= 1 && options.tile <= 4096 && options.most_steps >= 1,
          "The GEMM tile must have 1 to 4096 rows, and there must be at least one step.");

  StepLoads out;
  out.batch_size = options.batch_size;
  out.ranks = placements[0].grid.ranks;
  out.layers = s.layers;
  out.steps = std::min(options.most_steps, s.tokens / options.batch_size);
  const std::size_t samples = static_cast<std::size_t>(s.layers) * out.steps;
  for (Distribution* d : work_of(out)) d->samples.resize(samples);
  if (options.copies) {
    for (Distribution* d : copies_of(out)) d->samples.resize(samples);
  }
  tbb::enumerable_thread_specific<Scratch> scratches;
  const std::size_t grain = std::max(1, 1024 / options.batch_size);
  tbb::parallel_for(tbb::blocked_range<std::size_t>(0, samples, grain), [&](const auto& range) {
    Scratch& scratch = scratches.local();
    for (std::size_t i = range.begin(); i < range.end(); ++i) {
      const std::size_t layer = i / out.steps;
      const std::size_t first = layer * s.tokens + i % out.steps * options.batch_size;
      const auto ids = s.ids.subspan(first * s.top_k,
                                     static_cast<std::size_t>(options.batch_size) * s.top_k);
      const Placement& placement = placements[placements.size() == 1 ? 0 : layer];
      const std::vector<std::uint16_t> slots =
          choose_slots(ids, s.top_k, placement, options.choice, options.zero_experts);
      count_work(slots, placement, options.tile, scratch, out, i);
      if (options.copies) count_copies(slots, s.top_k, placement, scratch, out, i);
    }
  });
  return out;
}

double percentile_of(std::vector<double> values, double p) {
  require(p > 0 && p <= 100, "A percentile is " + to_string(p) + ", but must be above 0 to 100.");
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  const auto rank = static_cast<std::size_t>(std::ceil(p / 100 * n - 1e-9));
  return values[std::min(values.size(), std::max<std::size_t>(rank, 1)) - 1];
}

}  // namespace tollgate::kernels
