// Proves: every backend gives the same bytes for everything it computes, at any number of threads,
// and these bytes are the ones recorded here. A change of a recorded hash is a change of results:
// say in the commit which and why.

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <type_traits>

#include "kernels/dispatch/capacity.h"
#include "kernels/dispatch/traffic.h"
#include "kernels/placement/eplb.h"
#include "kernels/registry.h"
#include "tests/kernels/generator_problems.h"
#include "tests/kernels/given_logits.h"
#include "tests/kernels/problems.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tollgate::kernels {
namespace {

/// XXH3 over integers, each vector with its length.
class Hash {
 public:
  Hash() { XXH3_64bits_reset(&state_); }

  template <typename Integer>
  void add(const std::vector<Integer>& values) {
    static_assert(std::is_integral_v<Integer>);
    add(static_cast<std::int64_t>(values.size()));
    XXH3_64bits_update(&state_, values.data(), values.size() * sizeof(Integer));
  }
  void add(std::int64_t value) { XXH3_64bits_update(&state_, &value, sizeof value); }

  std::uint64_t value() const { return XXH3_64bits_digest(&state_); }

 private:
  XXH3_state_t state_;
};

void add(Hash& hash, const RoutingStats& stats) {
  hash.add(stats.expert_tokens);
  for (const TrafficStats& traffic : stats.traffic) hash.add(traffic.destination_ranks_sum);
  for (const BatchStats& batch : stats.batches) {
    for (const std::int64_t value : {batch.samples, batch.hottest_expert_sum,
                                     batch.hottest_expert_max, batch.distinct_experts_sum}) {
      hash.add(value);
    }
    for (const RankStats& rank : batch.ranks) {
      for (const std::int64_t value :
           {rank.samples, rank.busiest_load_sum, rank.busiest_load_max, rank.busiest_distinct_sum,
            rank.max_distinct_sum, rank.padded_rows_64_sum, rank.padded_rows_128_sum}) {
        hash.add(value);
      }
      hash.add(rank.busiest_load);
    }
  }
}

void add(Hash& hash, const Placement& placement) {
  hash.add(placement.expert_of_slot);
  hash.add(placement.replica_begin);
  hash.add(placement.replica_slots);
}

void add(Hash& hash, const PortRows& rows) {
  hash.add(rows.sent);
  hash.add(rows.received);
}

using Hashes = std::map<std::string, std::uint64_t>;

std::uint64_t gates(const RoutingBackend& backend) {
  Hash hash;
  for (const auto& [name, problem] : all_problems()) {
    hash.add(backend.select(problem));
    add(hash, backend.route(problem));
  }
  return hash.value();
}

std::uint64_t given_logits(const RoutingBackend& backend) {
  Hash hash;
  for (const auto& [name, problem] : all_problems()) {
    if (problem.gate.hash) continue;  // reads no logits
    hash.add(backend.select_logits(problem, some_logits(problem)));
  }
  return hash.value();
}

std::uint64_t generators(const RoutingBackend& backend) {
  Hash hash;
  for (const auto& [name, problem] : all_generators()) {
    hash.add(backend.draw(problem));
    hash.add(backend.histogram(problem));
  }
  return hash.value();
}

/// A step of 4096 tokens in prefill on 32 ranks, 8 to a node, under every placement and rule.
struct Step {
  GeneratorProblem problem = generator_problem(256, 8, 0.2, 128);
  std::vector<std::uint16_t> ids;
  std::vector<Placement> placements;

  explicit Step(const RoutingBackend& backend) {
    problem.tokens = 4096;
    problem.layers = 2;
    const RankGrid grid = {32, 8};
    ids = backend.draw(problem);
    const auto counts = backend.histogram(problem);
    ids.resize(ids.size() / 2);  // the first layer
    placements.push_back(contiguous_placement(256, 256, grid));
    placements.push_back(striped_placement(256, 288, grid));
    for (const EplbMode mode : {EplbMode::global, EplbMode::hierarchical}) {
      const EplbOptions options = {288, 8, grid, mode};
      for (const Placement& plan : eplb_placements(counts, 2, options)) placements.push_back(plan);
    }
  }
};

std::uint64_t placements(const RoutingBackend& backend) {
  Hash hash;
  for (const Placement& placement : Step(backend).placements) add(hash, placement);
  return hash.value();
}

std::uint64_t permutations(const RoutingBackend& backend) {
  Hash hash;
  const Step step(backend);
  for (const Placement& placement : step.placements) {
    for (const ReplicaChoice choice : replica_choices()) {
      const auto slots = choose_slots(step.ids, 8, placement, choice);
      const Dispatch dispatched = backend.permute(slots, 8, placement, 128);
      hash.add(slots);
      hash.add(dispatched.slot_rows);
      hash.add(dispatched.slot_begin);
      hash.add(dispatched.padded_begin);
      hash.add(dispatched.choice_of_row);
    }
  }
  return hash.value();
}

std::uint64_t traffic(const RoutingBackend& backend) {
  Hash hash;
  const Step step(backend);
  for (const Placement& placement : step.placements) {
    const auto slots = choose_slots(step.ids, 8, placement, ReplicaChoice::rank_and_token);
    for (const TransferMode mode : {TransferMode::low_latency, TransferMode::normal}) {
      const TrafficMatrix matrix = count_matrix(slots, 8, placement, mode);
      hash.add(matrix.logical);
      hash.add(matrix.scale_up);
      hash.add(matrix.network);
      const PortTraffic ports = count_ports(slots, 8, placement, mode);
      for (const PortRows& rows : {ports.logical, ports.scale_up, ports.network}) add(hash, rows);
    }
  }
  return hash.value();
}

/// What is left of a step's choices when experts take no more than their capacity.
std::uint64_t capacities(const RoutingBackend& backend) {
  Hash hash;
  const Step step(backend);
  for (const CapacityRule rule : {CapacityRule::gshard, CapacityRule::tutel}) {
    const CapacityResult kept = apply_capacity({step.ids, 1, 4096, 8}, 256, {rule, 1.25});
    hash.add(kept.capacity);
    hash.add(kept.ids);
    hash.add(kept.drops);
    hash.add(kept.unserved);
  }
  return hash.value();
}

Hashes hashes_of(const RoutingBackend& backend) {
  Hashes hashes = {{"gates", gates(backend)},
                   {"given logits", given_logits(backend)},
                   {"generators", generators(backend)},
                   {"placements", placements(backend)},
                   {"permutations", permutations(backend)},
                   {"traffic", traffic(backend)},
                   {"capacities", capacities(backend)}};
  Hash all;
  for (const auto& [name, hash] : hashes) all.add(static_cast<std::int64_t>(hash));
  hashes["everything"] = all.value();
  return hashes;
}

const Hashes kRecorded = {
    {"gates", 0x0E2C1145FACB044E},
    {"given logits", 0x49A5A0957E45EBA7},
    {"generators", 0x5D0A83245EAA18A3},
    {"placements", 0x629BB31F7ED6C7CF},
    {"permutations", 0x7250ED49827C16DA},
    {"traffic", 0xB22F84D46B4DBDA3},
    {"capacities", 0xCF77D4E6BEEBFB1C},
    {"everything", 0xDE94F3D6F0AD595D},
};

void expect_recorded(const RoutingBackend& backend, const std::string& how) {
  const Hashes hashes = hashes_of(backend);
  for (const auto& [name, hash] : hashes) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%016llX", static_cast<unsigned long long>(hash));
    EXPECT_EQ(hash, kRecorded.at(name)) << backend.name() << how << ": " << name << " is " << text;
  }
  std::printf("%s%s: everything is 0x%016llX\n", std::string(backend.name()).c_str(), how.c_str(),
              static_cast<unsigned long long>(hashes.at("everything")));
}

TEST(SameBytes, OfTheReference) { expect_recorded(find_backend("reference"), ""); }

TEST(SameBytes, OfTbbAtAnyThreadCount) {
  for (const int threads : {1, 2, 3, 8}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(threads);
    arena.execute(
        [&] { expect_recorded(find_backend("tbb"), ", " + std::to_string(threads) + " threads"); });
  }
}

TEST(SameBytes, OfCuda) {
  const RoutingBackend* cuda = backends().front();
  ASSERT_EQ(cuda->name(), "cuda");
  if (const Availability availability = cuda->available(); !availability) {
    const char* required = std::getenv("TOLLGATE_REQUIRE_CUDA");
    ASSERT_FALSE(required != nullptr && std::string(required) == "1")
        << "TOLLGATE_REQUIRE_CUDA=1, but: " << availability.reason;
    GTEST_SKIP() << "The bytes of CUDA were not compared: " << availability.reason;
  }
  expect_recorded(*cuda, "");
}

}  // namespace
}  // namespace tollgate::kernels
