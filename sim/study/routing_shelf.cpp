#include "sim/study/routing_shelf.h"

#include <algorithm>

namespace tollgate {
namespace {

ExpertPlan plan_of(const CandidateSpec& c) {
  const DeploymentSpec& d = c.deployment;
  return {d.planned_placement, d.redundant_experts, d.plan_domains, c.hardware.per_domain};
}

}  // namespace

RoutingShelf::Key RoutingShelf::key_of(const CandidateSpec& candidate, const FfnSpec& f) {
  const RouterSpec& r = f.router;
  const RoutingSpec& s = candidate.routing;
  return {candidate.model.family,
          f.experts,
          f.zero_experts,
          f.top_k,
          r.score,
          r.order,
          r.groups,
          r.groups_kept,
          r.bias,
          r.bias_mode,
          r.group_value,
          r.each_group,
          r.renormalise,
          r.hash,
          s.popularity,
          s.sigma,
          s.domains,
          s.layers,
          s.tokens,
          plan_of(candidate)};
}

void RoutingShelf::want(const CandidateSpec& candidate,
                        const std::vector<Deployment>& deployments) {
  for (const FfnSpec& ffn : candidate.model.ffns) {
    if (ffn.kind != FfnKind::moe) continue;
    Entry& entry = entries_[key_of(candidate, ffn)];
    entry.ffn = ffn;
    entry.family = candidate.model.family;
    entry.routing = candidate.routing;
    entry.plan = plan_of(candidate);
    for (const Deployment& d : deployments) entry.ranks.push_back(d.expert);
  }
}

void RoutingShelf::fill(std::uint64_t seed, double prompt_tokens,
                        const kernels::RoutingBackend& backend) {
  for (auto& [key, entry] : entries_) {
    std::sort(entry.ranks.begin(), entry.ranks.end());
    entry.ranks.erase(std::unique(entry.ranks.begin(), entry.ranks.end()), entry.ranks.end());
    if (entry.ranks.empty()) continue;
    // A whole power of two, so that runs of one request line up with the batches looked at.
    int run = 1;
    while (run * 2 <= prompt_tokens && run * 2 <= std::min(4096, entry.routing.tokens)) run *= 2;
    const auto tables = [&](int tokens_per_sequence) {
      return make_routing_tables(entry.ffn, entry.family, entry.routing, seed, entry.ranks, backend,
                                 tokens_per_sequence, entry.plan);
    };
    entry.tables = {tables(1), tables(run)};
  }
}

RoutingTables RoutingShelf::tables_of(const CandidateSpec& candidate) const {
  RoutingTables tables(candidate.model.ffns.size());
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const FfnSpec& ffn = candidate.model.ffns[i];
    if (ffn.kind == FfnKind::moe) tables[i] = entries_.at(key_of(candidate, ffn)).tables;
  }
  return tables;
}

}  // namespace tollgate
