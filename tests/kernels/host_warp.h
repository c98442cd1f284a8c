#pragma once
/// The gate code of a GPU warp run by 32 host threads, which exchange values through a barrier
/// instead of shuffles.

#include <algorithm>
#include <array>
#include <barrier>
#include <numeric>
#include <span>
#include <thread>
#include <vector>

#include "kernels/core/logit.h"
#include "kernels/core/shape.h"
#include "kernels/cuda/lane_top.h"
#include "kernels/problem.h"

namespace tollgate::kernels {

class WarpExchange {
 public:
  template <typename Reduce>
  std::int64_t all(int lane, std::int64_t value, const Reduce& reduce) {
    values_[lane] = value;
    barrier_.arrive_and_wait();
    const std::int64_t result = reduce(values_);
    barrier_.arrive_and_wait();
    return result;
  }

 private:
  std::array<std::int64_t, kLanes> values_{};
  std::barrier<> barrier_{kLanes};
};

/// What a lane sees of its warp.
struct HostWarpLane {
  WarpExchange* exchange;
  int lane;

  std::int64_t largest(std::int64_t value) const {
    return exchange->all(lane, value,
                         [](const auto& all) { return *std::ranges::max_element(all); });
  }
  std::int32_t max(std::int32_t value) const { return static_cast<std::int32_t>(largest(value)); }
  std::uint32_t min(std::uint32_t value) const {
    return static_cast<std::uint32_t>(-largest(-static_cast<std::int64_t>(value)));
  }
  bool any(bool holds) const { return largest(holds ? 1 : 0) != 0; }
  std::int64_t operator()(std::int64_t key) const { return largest(key); }
  auto sum() const {
    return [this](std::uint64_t value) {
      const auto total = [](const auto& all) {
        return std::accumulate(all.begin(), all.end(), std::int64_t{0});
      };
      return static_cast<std::uint64_t>(
          exchange->all(lane, static_cast<std::int64_t>(value), total));
    };
  }
};

template <int Slots>
void select_rows(const RoutingProblem& problem, std::span<const float> logits, int lane,
                 WarpExchange& exchange, std::vector<std::uint16_t>& ids) {
  const HostWarpLane warp = {&exchange, lane};
  for (int row = 0; row < problem.layers * problem.tokens; ++row) {
    const Gate gate = gate_at(problem, row / problem.tokens);
    std::int32_t values[Slots];
    for (int s = 0; s < Slots; ++s) {
      const int e = lane_expert(lane, s);
      values[s] = kAbsent;
      if (e < problem.choices()) {
        const float logit = logits[static_cast<std::size_t>(row) * problem.choices() + e];
        const std::int32_t fixed = logit_to_fixed(logit);
        values[s] = evaluates_all(gate) ? fixed : ranked_value(gate, e, fixed);
      }
    }
    const auto emit = [&](int n, int expert) {
      const std::size_t place = static_cast<std::size_t>(row) * problem.gate.top_k + n;
      if (lane == 0) ids[place] = static_cast<std::uint16_t>(expert);
    };
    if (evaluates_all(gate)) {
      const TokenScale scale = lane_scale(gate, lane, values, warp, warp.sum());
      lane_choose<true>(gate, lane, values, scale, warp, emit);
    } else if (problem.gate.groups_kept < problem.gate.groups) {
      lane_choose<false>(gate, lane, values, {}, warp, emit);
    } else {
      lane_top(problem.gate.top_k, lane, values, warp, emit);
    }
  }
}

inline std::vector<std::uint16_t> select_on_host_warp(const RoutingProblem& problem,
                                                      std::span<const float> logits) {
  std::vector<std::uint16_t> ids(static_cast<std::size_t>(problem.layers) * problem.tokens *
                                 problem.gate.top_k);
  WarpExchange exchange;
  const auto rows = problem.choices() <= 128   ? select_rows<4>
                    : problem.choices() <= 256 ? select_rows<8>
                    : problem.choices() <= 512 ? select_rows<16>
                                               : select_rows<32>;
  std::vector<std::jthread> lanes;
  for (int lane = 0; lane < kLanes; ++lane) {
    lanes.emplace_back([&, lane] { rows(problem, logits, lane, exchange, ids); });
  }
  lanes.clear();
  return ids;
}

}  // namespace tollgate::kernels
