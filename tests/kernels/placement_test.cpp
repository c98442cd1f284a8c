// Proves: placements are consistent for every shape, refuse impossible ones with a sentence, and
// every replica choice gives a slot that holds the chosen expert, by an independent rule.

#include "kernels/placement/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <set>

#include "kernels/placement/eplb.h"
#include "kernels/placement/replica_choice.h"

namespace tollgate::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

std::vector<std::uint16_t> experts_on(const Placement& p, int rank) {
  const int n = p.slots / p.grid.ranks;
  return {p.expert_of_slot.begin() + rank * n, p.expert_of_slot.begin() + (rank + 1) * n};
}

void expect_consistent(const Placement& p) {
  ASSERT_EQ(p.slots % p.grid.ranks, 0);
  ASSERT_EQ(p.expert_of_slot.size(), static_cast<std::size_t>(p.slots));
  std::multiset<int> seen;
  for (int e = 0; e < p.experts; ++e) {
    ASSERT_GE(p.copies(e), 1);
    int last = -1;
    for (const std::uint16_t slot : p.replicas(e)) {
      EXPECT_GT(slot, last);
      last = slot;
      EXPECT_EQ(p.expert_of_slot[slot], e);
      seen.insert(slot);
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(p.slots));
  EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), static_cast<std::size_t>(p.slots));
}

TEST(Placement, ContiguousByHand) {
  const Placement p = contiguous_placement(6, 8, {4, 2});
  EXPECT_THAT(p.expert_of_slot, ElementsAre(0, 1, 2, 3, 4, 5, 0, 1));
  EXPECT_THAT(std::vector<int>(p.replicas(0).begin(), p.replicas(0).end()), ElementsAre(0, 6));
  EXPECT_THAT(std::vector<int>(p.replicas(5).begin(), p.replicas(5).end()), ElementsAre(5));
  EXPECT_EQ(p.rank_of(5), 2);
  EXPECT_EQ(p.grid.node_of(p.rank_of(5)), 1);
  EXPECT_EQ(p.grid.nodes(), 2);
}

TEST(Placement, StripedByHand) {
  const Placement p = striped_placement(6, 8, {4, 4});
  EXPECT_THAT(experts_on(p, 0), ElementsAre(0, 4));
  EXPECT_THAT(experts_on(p, 1), ElementsAre(1, 5));
  EXPECT_THAT(experts_on(p, 2), ElementsAre(2, 0));
  EXPECT_THAT(experts_on(p, 3), ElementsAre(3, 1));
}

TEST(Placement, IsConsistentForManyShapes) {
  for (const int experts : {1, 7, 8, 64, 256, 896, 1024}) {
    for (const int ranks : {1, 2, 8, 32, 72}) {
      for (const int redundant : {0, 1, 32}) {
        const int slots = slots_for(experts, redundant, ranks);
        const int node = ranks % 8 == 0 ? 8 : 1;
        SCOPED_TRACE(testing::Message() << experts << "/" << slots << "/" << ranks);
        EXPECT_EQ(slots % ranks, 0);
        EXPECT_GE(slots, experts + redundant);
        EXPECT_LT(slots, experts + redundant + ranks);
        expect_consistent(contiguous_placement(experts, slots, {ranks, node}));
        expect_consistent(striped_placement(experts, slots, {ranks, node}));
      }
    }
  }
}

TEST(Placement, RefusesImpossibleOnes) {
  EXPECT_THAT(
      message_of([] {
        contiguous_placement(256, 260, {32, 8});
      }),
      HasSubstr("The 32 expert-parallel ranks do not divide the 260 physical expert slots"));
  EXPECT_THAT(message_of([] {
                striped_placement(256, 224, {32, 8});
              }),
              HasSubstr("224 physical slots for 256 experts"));
  EXPECT_THAT(message_of([] {
                contiguous_placement(256, 256, {32, 5});
              }),
              HasSubstr("Nodes of 5 ranks do not divide the 32"));
  EXPECT_THAT(message_of([] { contiguous_placement(0, 8, {8, 8}); }), HasSubstr("experts is 0"));
  EXPECT_THAT(message_of([] { contiguous_placement(8, 8, {0, 1}); }), HasSubstr("ranks is 0"));
  EXPECT_THAT(message_of([] { contiguous_placement(8, 1 << 20, {8, 8}); }), HasSubstr("at most"));
  EXPECT_THAT(message_of([] {
                make_placement(3, {0, 1, 3}, {1, 1});
              }),
              HasSubstr("holds expert 3, but there are only 3"));
  EXPECT_THAT(message_of([] {
                make_placement(3, {0, 1, 0}, {1, 1});
              }),
              HasSubstr("No physical slot holds expert 2"));
}

TEST(Placement, RankLoadsSplitOverCopies) {
  const Placement p = contiguous_placement(6, 8, {4, 2});
  const std::vector<std::int64_t> counts = {10, 4, 1, 2, 3, 5};
  const auto loads = rank_loads(p, counts);
  const std::int64_t one = std::int64_t{1} << kLoadFraction;
  EXPECT_THAT(loads, ElementsAre(7 * one, 3 * one, 8 * one, 7 * one));
  EXPECT_DOUBLE_EQ(imbalance(p, counts), 8.0 / 6.25);
  EXPECT_EQ(imbalance(p, std::vector<std::int64_t>(6, 0)), 1.0);
  EXPECT_THROW(rank_loads(p, std::vector<std::int64_t>(5, 0)), std::invalid_argument);
  EXPECT_THROW(rank_loads(p, std::vector<std::int64_t>{0, 0, 0, 0, 0, -1}), std::invalid_argument);
  EXPECT_THROW(rank_loads(p, std::vector<std::int64_t>(6, std::int64_t{1} << 42)),
               std::invalid_argument);
}

/// The documented rules once more, from the list of slots alone.
std::uint16_t expected_slot(const Placement& p, ReplicaChoice choice, int expert, int source,
                            int token, int top_k, int slot, std::vector<int>& load) {
  std::vector<int> copies;
  for (int q = 0; q < p.slots; ++q) {
    if (p.expert_of_slot[q] == expert) copies.push_back(q);
  }
  const int per_rank = p.slots / p.grid.ranks;
  const int n = static_cast<int>(copies.size());
  int chosen = -1;
  switch (choice) {
    case ReplicaChoice::token_modulo:
      chosen = copies[token % n];
      break;
    case ReplicaChoice::position_modulo:
      chosen = copies[(token * top_k + slot) % n];
      break;
    case ReplicaChoice::rank_and_token:
      chosen = copies[(source + std::int64_t{token} * 23333) % n];
      break;
    case ReplicaChoice::static_per_rank: {
      std::vector<int> same_rank, same_node;
      for (const int q : copies) {
        if (q / per_rank == source) same_rank.push_back(q);
        if (q / per_rank / p.grid.ranks_per_node == source / p.grid.ranks_per_node) {
          same_node.push_back(q);
        }
      }
      chosen = !same_rank.empty()   ? same_rank[0]
               : !same_node.empty() ? same_node[source % same_node.size()]
                                    : copies[source % n];
      break;
    }
    case ReplicaChoice::least_loaded:
      for (const int q : copies) {
        if (chosen < 0 || load[q / per_rank] < load[chosen / per_rank]) chosen = q;
      }
      break;
  }
  ++load[chosen / per_rank];
  return static_cast<std::uint16_t>(chosen);
}

TEST(ReplicaChoice, AgreesWithTheRulesWrittenPlainly) {
  std::mt19937_64 random(7);
  for (const auto& [experts, redundant, ranks, node] :
       {std::tuple{12, 4, 8, 4}, {12, 36, 16, 4}, {5, 3, 1, 1}, {64, 8, 8, 8}, {64, 0, 8, 4}}) {
    std::vector<std::int64_t> counts(experts);
    for (auto& n : counts) n = static_cast<std::int64_t>(random() % 1000);
    EplbOptions options;
    options.slots = experts + redundant;
    options.grid = {ranks, node};
    const Placement p = eplb_placement(counts, options);
    const int top_k = 3;
    const int tokens = 101;
    std::vector<std::uint16_t> ids(tokens * top_k);
    for (auto& id : ids) id = static_cast<std::uint16_t>(random() % experts);
    for (const ReplicaChoice choice : replica_choices()) {
      SCOPED_TRACE(name_of(choice));
      const auto slots = choose_slots(ids, top_k, p, choice);
      std::vector<int> load(ranks, 0);
      int source = 0;
      for (int t = 0; t < tokens; ++t) {
        while (t >= first_token(source + 1, tokens, ranks)) ++source;
        for (int i = 0; i < top_k; ++i) {
          ASSERT_EQ(slots[t * top_k + i],
                    expected_slot(p, choice, ids[t * top_k + i], source,
                                  t - first_token(source, tokens, ranks), top_k, i, load));
        }
      }
    }
  }
}

TEST(ReplicaChoice, SourceBlocksCoverAllTokensEvenly) {
  for (const int tokens : {0, 1, 5, 8, 100, 1 << 24}) {
    for (const int ranks : {1, 3, 8, 256}) {
      EXPECT_EQ(first_token(0, tokens, ranks), 0);
      EXPECT_EQ(first_token(ranks, tokens, ranks), tokens);
      for (int r = 0; r < ranks; ++r) {
        const int n = first_token(r + 1, tokens, ranks) - first_token(r, tokens, ranks);
        EXPECT_GE(n, tokens / ranks);
        EXPECT_LE(n, (tokens + ranks - 1) / ranks);
      }
    }
  }
}

// All load on one expert with a copy on every rank: who spreads it, and how evenly.
TEST(ReplicaChoice, SpreadsAHotExpert) {
  const int ranks = 8;
  std::vector<std::int64_t> counts(8, 0);
  counts[3] = 1000;
  EplbOptions options;
  options.slots = 16;
  options.grid = {ranks, ranks};
  const Placement p = eplb_placement(counts, options);
  ASSERT_EQ(p.copies(3), 9);
  const std::vector<std::uint16_t> ids(8000, 3);
  for (const ReplicaChoice choice : replica_choices()) {
    std::vector<int> load(ranks, 0);
    for (const std::uint16_t slot : choose_slots(ids, 1, p, choice)) ++load[p.rank_of(slot)];
    EXPECT_EQ(std::accumulate(load.begin(), load.end(), 0), 8000);
    // Nine copies on eight ranks: one rank holds two of them.
    const int most = *std::max_element(load.begin(), load.end());
    if (choice == ReplicaChoice::least_loaded || choice == ReplicaChoice::static_per_rank) {
      EXPECT_EQ(most, 1000) << name_of(choice);
    } else {
      EXPECT_NEAR(most, 8000 * 2 / 9, 8) << name_of(choice);
    }
  }
}

// Where copies divides top_k the rule of vLLM sees the slot only.
TEST(ReplicaChoice, PositionModuloIgnoresTheTokenIfCopiesDivideTopK) {
  const Placement p = make_placement(2, {0, 1, 0, 1}, {4, 4});
  const std::vector<std::uint16_t> ids = {0, 1, 0, 1, 0, 1};
  EXPECT_THAT(choose_slots(ids, 2, p, ReplicaChoice::position_modulo),
              ElementsAre(0, 3, 0, 3, 0, 3));
}

TEST(ReplicaChoice, LeavesOutWhatIsNotRouted) {
  for (const int slots : {4, 6}) {
    const Placement p = contiguous_placement(4, slots, {2, 1});
    const std::vector<std::uint16_t> ids = {0, kNoExpert, 4, 3};
    for (const ReplicaChoice choice : replica_choices()) {
      const auto chosen = choose_slots(ids, 2, p, choice, 1);
      EXPECT_EQ(chosen[1], kNoSlot);
      EXPECT_EQ(chosen[2], kNoSlot);
      EXPECT_EQ(p.expert_of_slot[chosen[3]], 3);
      EXPECT_THAT(message_of([&] { choose_slots(ids, 2, p, choice); }),
                  HasSubstr("chose expert 4, but there are only 4"));
    }
    EXPECT_THROW(choose_slots(ids, 3, p, ReplicaChoice::token_modulo), std::invalid_argument);
    EXPECT_THROW(choose_slots(ids, 0, p, ReplicaChoice::token_modulo), std::invalid_argument);
    EXPECT_TRUE(choose_slots({}, 2, p, ReplicaChoice::least_loaded).empty());
  }
}

}  // namespace
}  // namespace tollgate::kernels
