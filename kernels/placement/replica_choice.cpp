#include "kernels/placement/replica_choice.h"

#include <array>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {
namespace {

constexpr std::array<ReplicaChoice, 5> kChoices = {
    ReplicaChoice::token_modulo, ReplicaChoice::position_modulo, ReplicaChoice::rank_and_token,
    ReplicaChoice::static_per_rank, ReplicaChoice::least_loaded};

constexpr int kTokenStride = 23333;  // DeepSeek TileKernels

[[noreturn]] void reject(std::uint16_t id, int experts) {
  throw std::invalid_argument("A token chose expert " + std::to_string(id) +
                              ", but there are only " + std::to_string(experts) + " experts.");
}

/// The copy of `expert` that every token of a source rank uses.
std::uint16_t nearest_copy(const Placement& placement, int expert, int source) {
  const std::span<const std::uint16_t> copies = placement.replicas(expert);
  const int node = placement.grid.node_of(source);
  int on_node = 0;
  for (const std::uint16_t slot : copies) {
    const int rank = placement.rank_of(slot);
    if (rank == source) return slot;
    on_node += placement.grid.node_of(rank) == node ? 1 : 0;
  }
  if (on_node == 0) return copies[source % copies.size()];
  int wanted = source % on_node;
  for (const std::uint16_t slot : copies) {
    if (placement.grid.node_of(placement.rank_of(slot)) == node && wanted-- == 0) return slot;
  }
  return copies[0];
}

/// Calls `pick(expert, source rank, token in it, slot)` for every routed choice.
template <class Pick>
void for_each_choice(std::span<const std::uint16_t> ids, int top_k, const Placement& placement,
                     int zero_experts, std::vector<std::uint16_t>& slots, Pick pick) {
  const int tokens = static_cast<int>(ids.size()) / top_k;
  const int ranks = placement.grid.ranks;
  const int known = placement.experts + zero_experts;
  std::size_t i = 0;
  for (int source = 0; source < ranks; ++source) {
    const int count = first_token(source + 1, tokens, ranks) - first_token(source, tokens, ranks);
    for (int token = 0; token < count; ++token) {
      for (int slot = 0; slot < top_k; ++slot, ++i) {
        const std::uint16_t id = ids[i];
        if (id < placement.experts) {
          slots[i] = pick(id, source, token, slot);
        } else {
          if (id != kNoExpert && id >= known) reject(id, placement.experts);
          slots[i] = kNoSlot;
        }
      }
    }
  }
}

}  // namespace

std::span<const ReplicaChoice> replica_choices() { return kChoices; }

const char* name_of(ReplicaChoice choice) {
  switch (choice) {
    case ReplicaChoice::token_modulo:
      return "token-modulo";
    case ReplicaChoice::position_modulo:
      return "position-modulo";
    case ReplicaChoice::rank_and_token:
      return "rank-and-token";
    case ReplicaChoice::static_per_rank:
      return "static-per-rank";
    case ReplicaChoice::least_loaded:
      return "least-loaded";
  }
  return "unknown";
}

std::vector<std::uint16_t> choose_slots(std::span<const std::uint16_t> ids, int top_k,
                                        const Placement& placement, ReplicaChoice choice,
                                        int zero_experts) {
  if (top_k < 1 || ids.size() % top_k != 0 || ids.size() > (std::size_t{1} << 30)) {
    throw std::invalid_argument(std::to_string(ids.size()) +
                                " expert choices are not a whole number of tokens with " +
                                std::to_string(top_k) + " choices each, or more than 2^30.");
  }
  std::vector<std::uint16_t> slots(ids.size());
  const auto each = [&](auto pick) {
    for_each_choice(ids, top_k, placement, zero_experts, slots, pick);
  };
  const std::int32_t* begin = placement.replica_begin.data();
  const std::uint16_t* copies = placement.replica_slots.data();
  const auto nth = [=](int expert, std::int64_t n) {
    const std::int32_t first = begin[expert];
    const std::int32_t count = begin[expert + 1] - first;
    return copies[count == 1 ? first : first + static_cast<std::int32_t>(n % count)];
  };

  if (placement.slots == placement.experts) {
    each([&](int e, int, int, int) { return copies[begin[e]]; });
    return slots;
  }
  switch (choice) {
    case ReplicaChoice::token_modulo:
      each([&](int e, int, int token, int) { return nth(e, token); });
      break;
    case ReplicaChoice::position_modulo:
      each([&](int e, int, int token, int slot) {
        return nth(e, static_cast<std::int64_t>(token) * top_k + slot);
      });
      break;
    case ReplicaChoice::rank_and_token:
      each([&](int e, int source, int token, int) {
        return nth(e, source + static_cast<std::int64_t>(token) * kTokenStride);
      });
      break;
    case ReplicaChoice::static_per_rank: {
      std::vector<std::uint16_t> copy_of(placement.experts);
      int filled_for = -1;
      each([&](int e, int source, int, int) {
        if (source != filled_for) {
          for (int x = 0; x < placement.experts; ++x)
            copy_of[x] = nearest_copy(placement, x, source);
          filled_for = source;
        }
        return copy_of[e];
      });
      break;
    }
    case ReplicaChoice::least_loaded: {
      std::vector<std::int32_t> load(placement.grid.ranks, 0);
      each([&](int e, int, int, int) {
        std::uint16_t best = copies[begin[e]];
        for (std::int32_t r = begin[e] + 1; r < begin[e + 1]; ++r) {
          if (load[placement.rank_of(copies[r])] < load[placement.rank_of(best)]) best = copies[r];
        }
        ++load[placement.rank_of(best)];
        return best;
      });
      break;
    }
  }
  return slots;
}

}  // namespace tollgate::kernels
