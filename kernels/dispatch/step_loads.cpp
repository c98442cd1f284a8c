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

/// What is counted of one window; sums of windows are those of the longer one, if no expert is
/// replicated.
struct Counts {
  std::vector<std::int32_t> rows;  ///< [slot], and one more for choices that go nowhere
  std::vector<std::int64_t> to_rank, to_node;

  void add(const Counts& other) {
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] += other.rows[i];
    for (std::size_t i = 0; i < to_rank.size(); ++i) to_rank[i] += other.to_rank[i];
    for (std::size_t i = 0; i < to_node.size(); ++i) to_node[i] += other.to_node[i];
  }
};

/// Memory of one thread.
struct Scratch {
  Counts counts;
  std::vector<std::int32_t> expert_rows;  ///< [expert]
  std::vector<std::int32_t> rank_seen, node_seen;
};

std::vector<Distribution*> work_of(StepLoads& s) {
  std::vector<Distribution*> all{&s.rows,         &s.busiest_rows,   &s.most_slots,
                                 &s.active_slots, &s.active_experts, &s.hottest_expert};
  for (Distribution& padded : s.padded_rows) all.push_back(&padded);
  return all;
}
std::vector<Distribution*> copies_of(StepLoads& s) {
  return {&s.rank_copies, &s.busiest_rank_copies, &s.node_copies, &s.busiest_node_copies};
}

void count_window(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
                  bool copies, Scratch& scratch, Counts& out) {
  out.rows.assign(static_cast<std::size_t>(placement.slots) + 1, 0);
  std::int32_t* rows = out.rows.data();
  for (const std::uint16_t slot : slots) ++rows[std::min<int>(slot, placement.slots)];
  if (!copies) return;
  const RankGrid& grid = placement.grid;
  scratch.rank_seen.assign(grid.ranks, -1);
  scratch.node_seen.assign(grid.nodes(), -1);
  out.to_rank.assign(grid.ranks, 0);
  out.to_node.assign(grid.nodes(), 0);
  const int per_rank = placement.slots_per_rank();
  const std::uint16_t* slot = slots.data();
  const auto tokens = static_cast<std::int32_t>(slots.size() / top_k);
  for (std::int32_t token = 0; token < tokens; ++token) {
    for (int i = 0; i < top_k; ++i, ++slot) {
      if (*slot == kNoSlot) continue;
      const int rank = *slot / per_rank;
      if (scratch.rank_seen[rank] == token) continue;
      scratch.rank_seen[rank] = token;
      ++out.to_rank[rank];
      const int node = grid.node_of(rank);
      if (scratch.node_seen[node] == token) continue;
      scratch.node_seen[node] = token;
      ++out.to_node[node];
    }
  }
}

/// Sums over the slots of a rank; rows of a step are below 2^30.
struct RankSums {
  std::int32_t rows = 0, used = 0, hottest = 0;
};

RankSums sums_of(const std::int32_t* rows, int slots) {
  RankSums sums;
  for (int p = 0; p < slots; ++p) {
    sums.rows += rows[p];
    sums.used += rows[p] > 0 ? 1 : 0;
    sums.hottest = std::max(sums.hottest, rows[p]);
  }
  return sums;
}

std::int32_t padded_sum(const std::int32_t* rows, int slots, int tile) {
  std::int32_t sum = 0;
  if ((tile & (tile - 1)) == 0) {
    for (int p = 0; p < slots; ++p) sum += (rows[p] + tile - 1) & -tile;
  } else {
    for (int p = 0; p < slots; ++p) sum += (rows[p] + tile - 1) / tile * tile;
  }
  return sum;
}

void record(const Counts& counts, const Placement& placement, const StepLoadOptions& options,
            Scratch& scratch, StepLoads& out, std::size_t i) {
  const bool replicated = placement.slots != placement.experts;
  const std::int32_t* rows = counts.rows.data();
  const int per_rank = placement.slots_per_rank();
  std::int64_t all = 0, active = 0, experts = 0;
  RankSums most;
  for (int rank = 0; rank < placement.grid.ranks; ++rank) {
    const RankSums sums = sums_of(rows + rank * per_rank, per_rank);
    all += sums.rows;
    active += sums.used;
    most.rows = std::max(most.rows, sums.rows);
    most.used = std::max(most.used, sums.used);
    most.hottest = std::max(most.hottest, sums.hottest);
  }
  if (replicated) {
    scratch.expert_rows.assign(placement.experts, 0);
    for (int p = 0; p < placement.slots; ++p) {
      scratch.expert_rows[placement.expert_of_slot[p]] += rows[p];
    }
    const RankSums sums = sums_of(scratch.expert_rows.data(), placement.experts);
    experts = sums.used;
    most.hottest = sums.hottest;
  }
  out.rows.samples[i] = all;
  out.busiest_rows.samples[i] = most.rows;
  for (std::size_t t = 0; t < options.tiles.size(); ++t) {
    std::int32_t padded = 0;
    for (int rank = 0; rank < placement.grid.ranks; ++rank) {
      padded = std::max(padded, padded_sum(rows + rank * per_rank, per_rank, options.tiles[t]));
    }
    out.padded_rows[t].samples[i] = padded;
  }
  out.most_slots.samples[i] = most.used;
  out.active_slots.samples[i] = active;
  out.active_experts.samples[i] = replicated ? experts : active;
  out.hottest_expert.samples[i] = most.hottest;
  if (!options.copies) return;
  const auto total = [](const std::vector<std::int64_t>& v) {
    std::int64_t sum = 0;
    for (const std::int64_t n : v) sum += n;
    return sum;
  };
  const auto largest = [](const std::vector<std::int64_t>& v) {
    return *std::max_element(v.begin(), v.end());
  };
  out.rank_copies.samples[i] = total(counts.to_rank);
  out.busiest_rank_copies.samples[i] = largest(counts.to_rank);
  out.node_copies.samples[i] = total(counts.to_node);
  out.busiest_node_copies.samples[i] = largest(counts.to_node);
}

void check(const Selections& s, std::span<const Placement> placements,
           const StepLoadOptions& options) {
  require(s.layers >= 1 && s.tokens >= 0 && s.top_k >= 1 &&
              s.ids.size() == static_cast<std::size_t>(s.layers) * s.tokens * s.top_k,
          "There are " + to_string(s.ids.size()) + " selected experts, but " + to_string(s.layers) +
              " layers x " + to_string(s.tokens) + " tokens x top-" + to_string(s.top_k) + ".");
  require(placements.size() == 1 || placements.size() == static_cast<std::size_t>(s.layers),
          "There are " + to_string(placements.size()) + " placements for " + to_string(s.layers) +
              " layers; give one or one per layer.");
  for (const Placement& placement : placements) {
    require(placement.grid == placements[0].grid && placement.slots == placements[0].slots,
            "Placements of layers differ in their ranks or slots.");
  }
  require(options.most_steps >= 1, "There must be at least one step.");
  for (const int tile : options.tiles) {
    require(tile >= 1 && tile <= 4096, "A GEMM tile must have 1 to 4096 rows.");
  }
}

StepLoads empty_loads(const Selections& s, std::span<const Placement> placements, int batch_size,
                      const StepLoadOptions& options) {
  require(batch_size >= 1 && batch_size <= s.tokens, "A step has " + to_string(batch_size) +
                                                         " tokens, but must have 1 to the " +
                                                         to_string(s.tokens) + " tokens selected.");
  StepLoads out;
  out.batch_size = batch_size;
  out.ranks = placements[0].grid.ranks;
  out.layers = s.layers;
  out.steps = std::min(options.most_steps, s.tokens / batch_size);
  const std::size_t samples = static_cast<std::size_t>(s.layers) * out.steps;
  out.padded_rows.resize(options.tiles.size());
  for (Distribution* d : work_of(out)) d->samples.resize(samples);
  if (options.copies) {
    for (Distribution* d : copies_of(out)) d->samples.resize(samples);
  }
  return out;
}

/// Counts every window of a size from its tokens. `keep` takes the counts by sample, if given.
void count_tokens(const Selections& s, std::span<const Placement> placements,
                  const StepLoadOptions& options, StepLoads& out, std::vector<Counts>* keep) {
  tbb::enumerable_thread_specific<Scratch> scratches;
  const std::size_t samples = out.rows.samples.size();
  const std::size_t grain = std::max(1, 1024 / out.batch_size);
  tbb::parallel_for(tbb::blocked_range<std::size_t>(0, samples, grain), [&](const auto& range) {
    Scratch& scratch = scratches.local();
    for (std::size_t i = range.begin(); i < range.end(); ++i) {
      const std::size_t layer = i / out.steps;
      const std::size_t first = layer * s.tokens + i % out.steps * out.batch_size;
      const auto ids =
          s.ids.subspan(first * s.top_k, static_cast<std::size_t>(out.batch_size) * s.top_k);
      const Placement& placement = placements[placements.size() == 1 ? 0 : layer];
      const std::vector<std::uint16_t> slots =
          choose_slots(ids, s.top_k, placement, options.choice, options.zero_experts);
      Counts& counts = keep ? (*keep)[i] : scratch.counts;
      count_window(slots, s.top_k, placement, options.copies, scratch, counts);
      record(counts, placement, options, scratch, out, i);
    }
  });
}

/// Short steps have many windows, whose counts would take more memory than the tokens.
constexpr int kShortestSummed = 64;

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
  check(s, placements, options);
  StepLoads out = empty_loads(s, placements, options.batch_size, options);
  count_tokens(s, placements, options, out, nullptr);
  return out;
}

std::vector<StepLoads> count_step_loads(const Selections& s, std::span<const Placement> placements,
                                        std::span<const int> batch_sizes,
                                        const StepLoadOptions& options) {
  check(s, placements, options);
  const bool replicated = placements[0].slots != placements[0].experts;
  std::vector<StepLoads> all;
  std::vector<Counts> windows;  // of the size before, every one of the selections
  int have = 0;                 // their number per layer
  for (const int size : batch_sizes) {
    require(all.empty() || size == 2 * all.back().batch_size,
            "Sizes of step must each be twice the one before.");
    if (replicated || size < kShortestSummed) {
      all.push_back(empty_loads(s, placements, size, options));
      count_tokens(s, placements, options, all.back(), nullptr);
      continue;
    }
    StepLoadOptions every = options;
    every.most_steps = s.tokens;
    all.push_back(empty_loads(s, placements, size, every));
    StepLoads& out = all.back();
    if (windows.empty()) {
      windows.resize(out.rows.samples.size());
      count_tokens(s, placements, every, out, &windows);
      have = out.steps;
      continue;
    }
    std::vector<Counts> sums(out.rows.samples.size());
    Scratch scratch;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const std::size_t layer = i / out.steps, from = layer * have + i % out.steps * 2;
      sums[i] = std::move(windows[from]);
      sums[i].add(windows[from + 1]);
      record(sums[i], placements[placements.size() == 1 ? 0 : layer], every, scratch, out, i);
    }
    windows = std::move(sums);
    have = out.steps;
  }
  return all;
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
