#include "kernels/placement/placement.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "kernels/core/gate_spec.h"

namespace tollgate::kernels {
namespace {

using std::to_string;

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

void check_shape(int experts, std::int64_t slots, const RankGrid& grid) {
  require(experts >= 1 && experts <= kMaxExperts, "The number of experts is " + to_string(experts) +
                                                      ", but must be 1 to " +
                                                      to_string(kMaxExperts) + ".");
  require(grid.ranks >= 1 && grid.ranks <= kMaxRanks,
          "The number of expert-parallel ranks is " + to_string(grid.ranks) +
              ", but must be 1 to " + to_string(kMaxRanks) + ".");
  require(grid.ranks_per_node >= 1 && grid.ranks % grid.ranks_per_node == 0,
          "Nodes of " + to_string(grid.ranks_per_node) + " ranks do not divide the " +
              to_string(grid.ranks) + " expert-parallel ranks evenly.");
  require(slots <= kMaxSlots, "There are " + to_string(slots) +
                                  " physical expert slots, but at most " + to_string(kMaxSlots) +
                                  " are supported.");
  require(slots >= experts, "There are " + to_string(slots) + " physical slots for " +
                                to_string(experts) + " experts, but every expert needs one.");
  require(slots % grid.ranks == 0, "The " + to_string(grid.ranks) +
                                       " expert-parallel ranks do not divide the " +
                                       to_string(slots) + " physical expert slots evenly.");
}

}  // namespace

Placement make_placement(int experts, std::vector<std::uint16_t> expert_of_slot,
                         const RankGrid& grid) {
  check_shape(experts, static_cast<std::int64_t>(expert_of_slot.size()), grid);
  Placement placement;
  placement.experts = experts;
  placement.slots = static_cast<int>(expert_of_slot.size());
  placement.grid = grid;
  placement.expert_of_slot = std::move(expert_of_slot);

  std::vector<std::int32_t>& begin = placement.replica_begin;
  begin.assign(experts + 1, 0);
  for (const std::uint16_t e : placement.expert_of_slot) {
    if (e >= experts) {
      throw std::invalid_argument("A physical slot holds expert " + to_string(e) +
                                  ", but there are only " + to_string(experts) + " experts.");
    }
    ++begin[e + 1];
  }
  for (int e = 0; e < experts; ++e) {
    if (begin[e + 1] == 0) {
      throw std::invalid_argument("No physical slot holds expert " + to_string(e) + ".");
    }
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<std::int32_t> next(begin.begin(), begin.end() - 1);
  placement.replica_slots.resize(placement.slots);
  for (int p = 0; p < placement.slots; ++p) {
    placement.replica_slots[next[placement.expert_of_slot[p]]++] = static_cast<std::uint16_t>(p);
  }
  return placement;
}

Placement contiguous_placement(int experts, int slots, const RankGrid& grid) {
  check_shape(experts, slots, grid);
  std::vector<std::uint16_t> expert_of_slot(slots);
  for (int p = 0; p < slots; ++p) expert_of_slot[p] = static_cast<std::uint16_t>(p % experts);
  return make_placement(experts, std::move(expert_of_slot), grid);
}

Placement striped_placement(int experts, int slots, const RankGrid& grid) {
  check_shape(experts, slots, grid);
  const int per_rank = slots / grid.ranks;
  std::vector<std::uint16_t> expert_of_slot(slots);
  for (int p = 0; p < slots; ++p) {
    const int dealt = p % per_rank * grid.ranks + p / per_rank;
    expert_of_slot[p] = static_cast<std::uint16_t>(dealt % experts);
  }
  return make_placement(experts, std::move(expert_of_slot), grid);
}

int slots_for(int experts, int redundant, int ranks) {
  require(experts >= 1 && redundant >= 0 && ranks >= 1,
          "Slots were asked for " + to_string(experts) + " experts, " + to_string(redundant) +
              " redundant ones and " + to_string(ranks) +
              " ranks, but there must be at least one expert and one rank and no negative number.");
  return (experts + redundant + ranks - 1) / ranks * ranks;
}

void check_counts(std::span<const std::int64_t> expert_counts, int experts) {
  require(expert_counts.size() == static_cast<std::size_t>(experts),
          "There are " + to_string(expert_counts.size()) + " expert counts, but " +
              to_string(experts) + " experts.");
  std::int64_t left = (std::int64_t{1} << 44) - 1;
  for (const std::int64_t n : expert_counts) {
    if (n < 0) {
      throw std::invalid_argument("An expert count is " + to_string(n) +
                                  ", but must not be negative.");
    }
    if (n > left) {
      throw std::invalid_argument("The expert counts sum to 2^44 or more; scale them down.");
    }
    left -= n;
  }
}

std::vector<std::int64_t> rank_loads(const Placement& placement,
                                     std::span<const std::int64_t> expert_counts) {
  check_counts(expert_counts, placement.experts);
  std::vector<std::int64_t> loads(placement.grid.ranks, 0);
  for (int e = 0; e < placement.experts; ++e) {
    const std::int64_t share = (expert_counts[e] << kLoadFraction) / placement.copies(e);
    for (const std::uint16_t slot : placement.replicas(e)) loads[placement.rank_of(slot)] += share;
  }
  return loads;
}

double imbalance(const Placement& placement, std::span<const std::int64_t> expert_counts) {
  const std::vector<std::int64_t> loads = rank_loads(placement, expert_counts);
  const std::int64_t total = std::accumulate(loads.begin(), loads.end(), std::int64_t{0});
  if (total == 0) return 1.0;
  const auto busiest = static_cast<double>(*std::max_element(loads.begin(), loads.end()));
  return busiest * placement.grid.ranks / static_cast<double>(total);
}

}  // namespace tollgate::kernels
