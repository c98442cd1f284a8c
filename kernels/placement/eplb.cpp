#include "kernels/placement/eplb.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "kernels/core/gate_spec.h"

namespace tollgate::kernels {
namespace {

using std::to_string;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

/// Item indices by descending load, ascending index among equals.
std::vector<std::int32_t> by_descending_load(std::span<const std::int64_t> loads) {
  std::vector<std::int32_t> order(loads.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int32_t a, std::int32_t b) { return loads[a] > loads[b]; });
  return order;
}

/// Packs as `balanced_packing`, but lists the items of every pack in the order they were put.
std::vector<std::int32_t> packed_order(std::span<const std::int64_t> loads, int packs) {
  const int room = static_cast<int>(loads.size()) / packs;
  std::vector<std::int32_t> items(loads.size());
  if (room == 1) {  // the original keeps the order of the items where there is nothing to choose
    std::iota(items.begin(), items.end(), 0);
    return items;
  }
  constexpr std::int64_t kFull = std::numeric_limits<std::int64_t>::max();
  std::vector<std::int64_t> weight(packs, 0);
  std::vector<std::int32_t> count(packs, 0);
  for (const std::int32_t item : by_descending_load(loads)) {
    const auto pack =
        static_cast<int>(std::min_element(weight.begin(), weight.end()) - weight.begin());
    items[static_cast<std::size_t>(pack) * room + count[pack]] = item;
    weight[pack] = ++count[pack] == room ? kFull : weight[pack] + loads[item];
  }
  return items;
}

struct Shape {
  int experts;
  int nodes;   ///< that groups are packed to; 1 in global mode
  int groups;  ///< 1 in global mode
};

Shape check_options(int experts, const EplbOptions& options) {
  require(experts >= 1 && experts <= kMaxExperts, "The number of experts is " + to_string(experts) +
                                                      ", but must be 1 to " +
                                                      to_string(kMaxExperts) + ".");
  const RankGrid& grid = options.grid;
  require(grid.ranks >= 1 && grid.ranks <= kMaxRanks,
          "The number of expert-parallel ranks is " + to_string(grid.ranks) +
              ", but must be 1 to " + to_string(kMaxRanks) + ".");
  require(grid.ranks_per_node >= 1 && grid.ranks % grid.ranks_per_node == 0,
          "Nodes of " + to_string(grid.ranks_per_node) + " ranks do not divide the " +
              to_string(grid.ranks) + " expert-parallel ranks evenly.");
  require(options.slots >= experts && options.slots <= kMaxSlots,
          "EPLB was given " + to_string(options.slots) +
              " physical slots, but needs at least one " + "per expert (" + to_string(experts) +
              ") and at most " + to_string(kMaxSlots) + ".");
  require(options.slots % grid.ranks == 0,
          "The " + to_string(grid.ranks) + " expert-parallel ranks do not divide the " +
              to_string(options.slots) + " physical expert slots evenly.");
  require(options.groups >= 1 && experts % options.groups == 0,
          "The " + to_string(options.groups) + " expert groups do not divide the " +
              to_string(experts) + " experts evenly.");
  const bool by_node = options.groups % grid.nodes() == 0;
  require(by_node || options.mode != EplbMode::hierarchical,
          "Hierarchical EPLB packs expert groups to nodes, but the " + to_string(grid.nodes()) +
              " nodes do not divide the " + to_string(options.groups) + " groups evenly.");
  if (options.mode == EplbMode::global || !by_node) return {experts, 1, 1};
  return {experts, grid.nodes(), options.groups};
}

/// The experts of every node, [node * experts / nodes + i], groups in the order they were packed.
std::vector<std::int32_t> experts_of_nodes(std::span<const std::int64_t> counts,
                                           const Shape& shape) {
  const int group_size = shape.experts / shape.groups;
  std::vector<std::int64_t> group_loads(shape.groups, 0);
  for (int e = 0; e < shape.experts; ++e) group_loads[e / group_size] += counts[e];
  std::vector<std::int32_t> experts;
  for (const std::int32_t group : packed_order(group_loads, shape.nodes)) {
    for (int i = 0; i < group_size; ++i) experts.push_back(group * group_size + i);
  }
  return experts;
}

}  // namespace

std::vector<std::uint16_t> replicate_experts(std::span<const std::int64_t> loads, int slots) {
  const auto experts = static_cast<int>(loads.size());
  require(experts >= 1 && slots >= experts && slots <= kMaxSlots,
          to_string(experts) + " experts cannot be replicated to " + to_string(slots) + " slots.");
  check_counts(loads, experts);
  std::vector<std::uint16_t> expert_of(slots);
  std::iota(expert_of.begin(), expert_of.begin() + experts, std::uint16_t{0});
  std::vector<std::int64_t> copies(experts, 1);
  for (int slot = experts; slot < slots; ++slot) {
    int hottest = 0;
    for (int e = 1; e < experts; ++e) {  // loads[e] / copies[e], compared by cross product
      if (loads[e] * copies[hottest] > loads[hottest] * copies[e]) hottest = e;
    }
    expert_of[slot] = static_cast<std::uint16_t>(hottest);
    ++copies[hottest];
  }
  return expert_of;
}

std::vector<std::int32_t> balanced_packing(std::span<const std::int64_t> loads, int packs) {
  require(packs >= 1 && loads.size() % packs == 0, to_string(loads.size()) +
                                                       " items cannot be packed evenly into " +
                                                       to_string(packs) + " packs.");
  const std::vector<std::int32_t> items = packed_order(loads, packs);
  const std::size_t room = loads.size() / packs;
  std::vector<std::int32_t> pack_of(loads.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    pack_of[items[i]] = static_cast<std::int32_t>(i / room);
  }
  return pack_of;
}

Placement eplb_placement(std::span<const std::int64_t> expert_counts, const EplbOptions& options) {
  const Shape shape = check_options(static_cast<int>(expert_counts.size()), options);
  check_counts(expert_counts, shape.experts);
  const int node_experts = shape.experts / shape.nodes;
  const int node_slots = options.slots / shape.nodes;
  const std::vector<std::int32_t> experts = experts_of_nodes(expert_counts, shape);

  std::vector<std::uint16_t> expert_of_slot(options.slots);
  std::vector<std::int64_t> counts(node_experts);
  std::vector<std::int64_t> loads(node_slots);
  std::vector<std::int64_t> copies(node_experts);
  for (int node = 0; node < shape.nodes; ++node) {
    const std::int32_t* mine = experts.data() + static_cast<std::ptrdiff_t>(node) * node_experts;
    for (int i = 0; i < node_experts; ++i) counts[i] = expert_counts[mine[i]];
    const std::vector<std::uint16_t> replica_of = replicate_experts(counts, node_slots);
    std::fill(copies.begin(), copies.end(), 0);
    for (const std::uint16_t i : replica_of) ++copies[i];
    for (int p = 0; p < node_slots; ++p) {
      loads[p] = (counts[replica_of[p]] << kLoadFraction) / copies[replica_of[p]];
    }
    int slot = node * node_slots;
    for (const std::int32_t p : packed_order(loads, options.grid.ranks / shape.nodes)) {
      expert_of_slot[slot++] = static_cast<std::uint16_t>(mine[replica_of[p]]);
    }
  }
  return make_placement(shape.experts, std::move(expert_of_slot), options.grid);
}

std::vector<Placement> eplb_placements(std::span<const std::int64_t> expert_counts, int layers,
                                       const EplbOptions& options) {
  require(layers >= 1 && expert_counts.size() % layers == 0,
          to_string(expert_counts.size()) + " expert counts cannot be split over " +
              to_string(layers) + " layers.");
  const std::size_t experts = expert_counts.size() / layers;
  std::vector<Placement> placements(layers);
  tbb::parallel_for(0, layers, [&](int layer) {
    placements[layer] = eplb_placement(expert_counts.subspan(layer * experts, experts), options);
  });
  return placements;
}

}  // namespace tollgate::kernels
