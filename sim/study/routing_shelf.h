#pragma once

#include <map>
#include <tuple>
#include <vector>

#include "kernels/backend.h"
#include "sim/placement/sharding.h"
#include "sim/timing/operator_set.h"

namespace tollgate {

/// The routing tables of a scenario: every distinct kind of expert layer is routed once, for all
/// numbers of ranks anybody wants, and shared by the candidates that have it.
class RoutingShelf {
 public:
  /// Notes what a candidate's deployments need.
  void want(const CandidateSpec& candidate, const std::vector<Deployment>& deployments);

  /// Runs the engine. Prompts are routed as runs of `prompt_tokens` tokens of one request.
  void fill(std::uint64_t seed, double prompt_tokens, const kernels::RoutingBackend& backend);

  RoutingTables tables_of(const CandidateSpec& candidate) const;

 private:
  /// Family and everything of a layer, of the popularity and of the plan that decides its routing.
  using Key = std::tuple<std::string, int, int, int, GateScore, GateOrder, int, int, bool, GateBias,
                         GroupValue, bool, bool, bool, RoutingSpec::Popularity, double, int, int,
                         int, ExpertPlan>;
  struct Entry {
    FfnSpec ffn;
    std::string family;
    RoutingSpec routing;
    ExpertPlan plan;
    std::vector<int> ranks;
    FfnRouting tables;
  };
  static Key key_of(const CandidateSpec& candidate, const FfnSpec& ffn);

  std::map<Key, Entry> entries_;
};

}  // namespace tollgate
