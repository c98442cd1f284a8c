// Proves: every way to sort the rows of a step by slot gives the same rows as a stable sort: the
// counting sort, Thrust on the TBB device system, and the CUDA kernels where there is a device.

#include <gtest/gtest.h>

#include "kernels/registry.h"
#if defined(TOLLGATE_HAVE_THRUST)
#include <thrust/system/tbb/execution_policy.h>

#include "kernels/dispatch/sort_permutation.h"
#endif

namespace tollgate::kernels {
namespace {

struct Case {
  std::string name;
  Placement placement;
  int top_k;
  int tile;
  std::vector<std::uint16_t> slots;
};

/// Skewed slots, every tenth choice left out where `gaps`.
Case make_case(std::string name, int experts, int ranks, int top_k, int tile, int tokens,
               bool gaps) {
  Case c = {std::move(name), contiguous_placement(experts, experts, {ranks, 1}), top_k, tile, {}};
  std::uint64_t state = 12345;
  for (int i = 0; i < tokens * top_k; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto uniform = static_cast<std::uint64_t>((state >> 33) % experts);
    const auto skewed = uniform * uniform / static_cast<std::uint64_t>(experts);
    c.slots.push_back(gaps && i % 10 == 3 ? kNoSlot : static_cast<std::uint16_t>(skewed));
  }
  return c;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  all.push_back(make_case("nothing", 8, 2, 2, 16, 0, false));
  all.push_back(make_case("one_slot", 1, 1, 1, 1, 100, false));
  all.push_back(make_case("small", 64, 8, 6, 128, 31, true));
  all.push_back(make_case("deepseek_v3", 256, 32, 8, 128, 8192, false));
  all.push_back(make_case("deepseek_v3_gaps", 256, 32, 8, 64, 8191, true));
  all.push_back(make_case("kimi_k3", 896, 16, 16, 1, 3001, true));
  Case large = make_case("more_slots_than_are_counted", 1024, 32, 4, 16, 2000, true);
  large.placement = contiguous_placement(1024, 2048, {32, 8});
  for (std::size_t i = 0; i < large.slots.size(); i += 3) {
    if (large.slots[i] != kNoSlot)
      large.slots[i] = static_cast<std::uint16_t>(large.slots[i] + 1024);
  }
  all.push_back(large);
  return all;
}

class Permute : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Cases, Permute, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

TEST_P(Permute, EveryBackendSortsStably) {
  const Case& c = GetParam();
  const Dispatch expected =
      find_backend("reference").permute(c.slots, c.top_k, c.placement, c.tile);
  for (const RoutingBackend* backend : backends()) {
    if (!backend->available()) continue;
    EXPECT_EQ(backend->permute(c.slots, c.top_k, c.placement, c.tile), expected) << backend->name();
  }
}

#if defined(TOLLGATE_HAVE_THRUST)
TEST_P(Permute, ThrustOnTbb) {
  const Case& c = GetParam();
  const Dispatch expected =
      find_backend("reference").permute(c.slots, c.top_k, c.placement, c.tile);
  std::vector<std::uint16_t> keys = c.slots;
  std::vector<std::int32_t> order(keys.size()), rows(c.placement.slots);
  std::vector<std::int32_t> begin(c.placement.slots + 1), padded(c.placement.slots + 1);
  sort_permutation(thrust::tbb::par, keys.data(), static_cast<std::int32_t>(keys.size()),
                   c.placement.slots, c.tile, order.data(), rows.data(), begin.data(),
                   padded.data());
  order.resize(begin.back());
  EXPECT_EQ(order, expected.choice_of_row);
  EXPECT_EQ(rows, expected.slot_rows);
  EXPECT_EQ(begin, expected.slot_begin);
  EXPECT_EQ(padded, expected.padded_begin);
}
#endif

TEST(PermuteErrors, AreThoseOfDispatch) {
  const Placement placement = contiguous_placement(8, 8, {2, 1});
  const std::vector<std::uint16_t> slots = {1, 8};
  for (const RoutingBackend* backend : backends()) {
    if (!backend->available()) continue;
    EXPECT_THROW(backend->permute(slots, 2, placement, 1), std::invalid_argument);
    EXPECT_THROW(backend->permute(slots, 3, placement, 1), std::invalid_argument);
    EXPECT_THROW(backend->permute(slots, 2, placement, 0), std::invalid_argument);
  }
}

}  // namespace
}  // namespace tollgate::kernels
