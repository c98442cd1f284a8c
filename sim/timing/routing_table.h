#pragma once

#include <compare>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "sim/spec/scenario.h"

namespace tollgate {

/// What the routing engine found for one kind of expert layer and one number of ranks, as a
/// function of the number of tokens routed together. Made once, then only interpolated.
class RoutingTable {
 public:
  struct Point {
    double tokens = 0;
    double busiest_ratio = 1;  ///< assignments on the busiest rank over the mean
    double busiest_ratio_p95 = 1;
    double rank_distinct = 0;  ///< most distinct experts on any rank
    double distinct = 0;       ///< distinct experts over all ranks
    double padded_rows = 0;    ///< rows on the busiest rank with every expert padded to 64
  };

  RoutingTable(std::vector<Point> points, double destination_ranks, int ranks,
               double destination_nodes = 1);

  /// Linear between the powers of two; held at both ends, where padded rows grow with the tokens.
  Point at(double tokens) const;

  /// Distinct ranks a token is sent to.
  double destination_ranks() const { return destination_ranks_; }
  /// Distinct scale-up domains a token is sent to, its own included.
  double destination_nodes() const { return destination_nodes_; }
  int ranks() const { return ranks_; }

 private:
  std::vector<Point> points_;
  double destination_ranks_;
  int ranks_;
  double destination_nodes_;
};

/// Spread of expert popularity of a model family: log-normal with a global, a domain and a topic
/// part (standard deviations of ln weight), and how well it is known.
struct FamilyPopularity {
  std::string_view family;
  double sigma_global, sigma_domain, sigma_topic;
  Provenance provenance;
};

/// The family's entry, or the one for unknown families. Values: docs/method.md, "Popularity".
const FamilyPopularity& family_popularity(std::string_view family);

/// What the routing engine takes: the gate of a layer, and the popularity of a family (4 domains of
/// 8 topics). The bias balances load in training; what popularity is left after it is what is
/// drawn, so that no bias is given.
kernels::GateSpec gate_of(const FfnSpec& ffn);
kernels::PopularitySpec popularity_of(std::string_view family);

/// A point between two, `share` of the way from `a` to `b`.
RoutingTable::Point mix(const RoutingTable::Point& a, const RoutingTable::Point& b, double share);

/// How experts are placed: in blocks, or by a plan (EPLB) made from an earlier window of traffic.
struct ExpertPlan {
  bool planned = false;
  int redundant = 0;
  int plan_domains = 0;    ///< 0 = as served
  int ranks_per_node = 8;  ///< ranks of a scale-up domain; plans keep expert groups inside one
  auto operator<=>(const ExpertPlan&) const = default;
};

/// Runs the routing engine for a layer kind at every number of ranks asked for: one table each, for
/// batches of 1 to spec.tokens tokens in powers of two. `tokens_per_sequence` neighbours come from
/// one request and share its domain and topic: 1 for decode, a prompt's length for prefill.
/// Hash-routed layers take experts by token id, whatever the popularity.
std::vector<RoutingTable> make_routing_tables(const FfnSpec& ffn, std::string_view family,
                                              const RoutingSpec& spec, std::uint64_t seed,
                                              const std::vector<int>& ranks,
                                              const kernels::RoutingBackend& backend,
                                              int tokens_per_sequence = 1,
                                              const ExpertPlan& plan = {});

}  // namespace tollgate
