#pragma once
/// The fast CPU backend: oneTBB tasks over token blocks, vectorised noise screening.

#include "kernels/backend.h"

namespace tollgate::kernels {

class TbbBackend final : public RoutingBackend {
 public:
  std::string_view name() const override;
  std::string_view description() const override;
  Availability available() const override;
  RoutingStats route(const RoutingProblem& problem) const override;
  std::vector<std::uint16_t> select(const RoutingProblem& problem) const override;
  std::vector<std::uint16_t> select_logits(const RoutingProblem& problem,
                                           std::span<const float> logits) const override;
  std::vector<std::uint16_t> draw(const GeneratorProblem& problem) const override;
  std::vector<std::int64_t> histogram(const GeneratorProblem& problem) const override;
  std::vector<std::int64_t> busiest_loads(const GeneratorProblem& problem, int window_tokens,
                                          int ranks) const override;
  Dispatch permute(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
                   int tile) const override;
};

}  // namespace tollgate::kernels
