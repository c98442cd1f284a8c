#pragma once

#include <map>
#include <string>
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

  /// Runs the engine, kinds of layer in parallel. Prompts are routed as runs of `prompt_tokens`
  /// tokens of one request. The result does not depend on the number of threads. Throws as
  /// `RoutingSource`.
  void fill(std::uint64_t seed, double prompt_tokens, const kernels::RoutingBackend& backend);

  RoutingTables tables_of(const CandidateSpec& candidate) const;

 private:
  struct Entry {
    FfnSpec ffn;
    FamilyPopularity popularity;
    RoutingSpec routing;
    ExpertPlan plan;
    std::vector<int> ranks;
    FfnRouting tables;

    void fill(std::uint64_t seed, double prompt_tokens, const kernels::RoutingBackend& backend);
  };
  /// Everything of a layer, of the popularity and of the plan that decides its routing, in words.
  static std::string key_of(const CandidateSpec& candidate, const FfnSpec& ffn);

  std::map<std::string, Entry> entries_;
};

}  // namespace tollgate
