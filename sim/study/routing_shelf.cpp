#include "sim/study/routing_shelf.h"

#include <tbb/parallel_for_each.h>

#include <algorithm>

#include "sim/base/text.h"

namespace tollgate {
namespace {

ExpertPlan plan_of(const CandidateSpec& c) {
  const DeploymentSpec& d = c.deployment;
  return {d.planned_placement ? ExpertPlan::Kind::eplb : ExpertPlan::Kind::contiguous,
          d.redundant_experts, d.plan_domains, c.hardware.per_domain};
}

}  // namespace

std::string RoutingShelf::key_of(const CandidateSpec& candidate, const FfnSpec& f) {
  const RouterSpec& r = f.router;
  const RoutingSpec& s = candidate.routing;
  const FamilyPopularity& p = candidate.popularity;
  const ExpertPlan plan = plan_of(candidate);
  std::string key = s.trace + '\n';
  for (const double part : {double(f.experts),
                            double(f.zero_experts),
                            double(f.top_k),
                            double(int(r.score)),
                            double(int(r.order)),
                            double(r.groups),
                            double(r.groups_kept),
                            double(r.bias),
                            double(int(r.bias_mode)),
                            double(int(r.group_value)),
                            double(r.each_group),
                            double(r.renormalise),
                            double(r.hash),
                            double(int(s.popularity)),
                            double(int(s.form)),
                            s.sigma,
                            s.exponent,
                            double(s.layers),
                            double(s.tokens),
                            p.sigma_global,
                            p.sigma_domain,
                            p.sigma_topic,
                            p.stickiness,
                            p.layer_jitter,
                            double(p.domains),
                            double(p.topics),
                            double(int(plan.kind)),
                            double(plan.redundant),
                            double(plan.plan_domains),
                            double(plan.ranks_per_node)}) {
    key += shortest(part) + ' ';
  }
  return key;
}

void RoutingShelf::want(const CandidateSpec& candidate,
                        const std::vector<Deployment>& deployments) {
  for (const FfnSpec& ffn : candidate.model.ffns) {
    if (ffn.kind != FfnKind::moe) continue;
    Entry& entry = entries_[key_of(candidate, ffn)];
    entry.ffn = ffn;
    entry.popularity = candidate.popularity;
    entry.routing = candidate.routing;
    entry.plan = plan_of(candidate);
    for (const Deployment& d : deployments) entry.ranks.push_back(d.expert);
  }
}

void RoutingShelf::Entry::fill(std::uint64_t seed, double prompt_tokens,
                               const kernels::RoutingBackend& backend) {
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  if (ranks.empty()) return;
  // A whole power of two, so that runs of one request line up with the batches looked at.
  int run = 1;
  while (run * 2 <= prompt_tokens && run * 2 <= std::min(4096, routing.tokens)) run *= 2;
  const RoutingSource source(ffn, popularity, routing, seed, backend);
  const WindowRequest decode{routing.tokens, 1}, prefill{routing.tokens, run};
  const auto routed = std::make_shared<RoutedLayer>(
      RoutedLayer{source.window(decode), source.window(prefill), {plan, source, decode}});
  tables.decode = make_routing_tables(routed->decode, routed->placer, ranks, false);
  tables.prefill = make_routing_tables(routed->prefill, routed->placer, ranks, true);
  tables.routed = routed;
}

void RoutingShelf::fill(std::uint64_t seed, double prompt_tokens,
                        const kernels::RoutingBackend& backend) {
  tbb::parallel_for_each(entries_.begin(), entries_.end(),
                         [&](auto& named) { named.second.fill(seed, prompt_tokens, backend); });
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
