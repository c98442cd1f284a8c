#include "sim/study/routing_shelf.h"

#include <algorithm>
#include <cmath>

namespace tollgate {

RoutingShelf::Key RoutingShelf::key_of(const LlmSpec& model, const FfnSpec& f) {
  const RouterSpec& r = f.router;
  return {model.family, f.experts, f.zero_experts, f.top_k, r.score, r.order,
          r.groups,     r.groups_kept, r.bias,     r.renormalise, r.hash};
}

void RoutingShelf::want(const LlmSpec& model, const std::vector<Deployment>& deployments) {
  for (const FfnSpec& ffn : model.ffns) {
    if (ffn.kind != FfnKind::moe) continue;
    Entry& entry = entries_[key_of(model, ffn)];
    entry.ffn = ffn;
    entry.family = model.family;
    for (const Deployment& d : deployments) entry.ranks.push_back(d.expert);
  }
}

void RoutingShelf::fill(const RoutingSpec& spec, std::uint64_t seed, double prompt_tokens,
                        const kernels::RoutingBackend& backend) {
  // A whole power of two, so that runs of one request line up with the batches looked at.
  int run = 1;
  while (run * 2 <= prompt_tokens && run * 2 <= std::min(4096, spec.tokens)) run *= 2;
  for (auto& [key, entry] : entries_) {
    std::sort(entry.ranks.begin(), entry.ranks.end());
    entry.ranks.erase(std::unique(entry.ranks.begin(), entry.ranks.end()), entry.ranks.end());
    if (entry.ranks.empty()) continue;
    const auto tables = [&](int tokens_per_sequence) {
      return make_routing_tables(entry.ffn, entry.family, spec, seed, entry.ranks, backend, tokens_per_sequence);
    };
    entry.tables = {tables(1), tables(run)};
  }
}

RoutingTables RoutingShelf::tables_of(const LlmSpec& model) const {
  RoutingTables tables(model.ffns.size());
  for (std::size_t i = 0; i < model.ffns.size(); ++i) {
    if (model.ffns[i].kind == FfnKind::moe) tables[i] = entries_.at(key_of(model, model.ffns[i])).tables;
  }
  return tables;
}

}  // namespace tollgate
