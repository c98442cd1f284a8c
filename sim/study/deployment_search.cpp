#include "sim/study/deployment_search.h"

#include <algorithm>

#include "sim/placement/memory_plan.h"

namespace tollgate {
namespace {

bool tensor_allowed(const LlmSpec& model, int tensor) {
  for (const AttentionSpec& a : model.attentions) {
    const int heads = a.kind == AttentionKind::linear ? a.v_heads : a.heads;
    if (heads % tensor != 0) return false;
    if (a.kind == AttentionKind::gqa && a.kv_heads % tensor != 0 && tensor % a.kv_heads != 0)
      return false;
  }
  for (const FfnSpec& f : model.ffns) {
    if (f.kind == FfnKind::dense && f.intermediate % tensor != 0) return false;
  }
  return true;
}

int fewest_experts(const LlmSpec& model) {
  int fewest = 0;
  for (const FfnSpec& f : model.ffns) {
    if (f.kind == FfnKind::moe) fewest = fewest == 0 ? f.experts : std::min(fewest, f.experts);
  }
  return fewest;
}

/// Of rack-scale domains (NVL72, pods) no more than this is tried for one replica.
constexpr int largest_domain_tried = 72;

bool accepts(int fixed, int value) { return fixed == 0 || fixed == value; }

}  // namespace

std::vector<Deployment> deployments_to_try(const CandidateSpec& candidate, bool beyond_domain) {
  const LlmSpec& model = candidate.model;
  const DeploymentSpec& spec = candidate.deployment;
  const bool mixture = model.has_experts();
  const PrecisionMap precision = deployed_precision(model, spec);

  const int given = spec.tensor > 0 && spec.pipeline > 0 && spec.data_attention > 0
                        ? spec.tensor * spec.pipeline * spec.data_attention
                        : spec.gpus;
  const int domain = std::max(candidate.hardware.per_node,
                              std::min(candidate.hardware.per_domain, largest_domain_tried));
  std::vector<int> sizes;
  if (given > 0) {
    if (!beyond_domain) sizes.push_back(given);
  } else if (!beyond_domain) {
    const int unit =
        std::max(1, spec.tensor) * std::max(1, spec.pipeline) * std::max(1, spec.data_attention);
    for (int g = unit; g < domain || g == unit; g *= 2) sizes.push_back(g);
    if (domain > unit && domain % unit == 0) sizes.push_back(domain);
  } else {
    for (int g = 2 * domain; g <= 8 * domain; g *= 2) sizes.push_back(g);
  }

  std::vector<Deployment> out;
  for (const int gpus : sizes) {
    for (int pipeline = 1; pipeline <= gpus; ++pipeline) {
      if (gpus % pipeline != 0 || !accepts(spec.pipeline, pipeline)) continue;
      // Stages are taken as balanced, which flatters them: only where the fast link ends, or by
      // request.
      if (spec.pipeline == 0 && pipeline != 1 && !(beyond_domain && pipeline == gpus / domain))
        continue;
      if (pipeline > static_cast<int>(model.layers.size())) continue;
      const int stage = gpus / pipeline;
      for (int tensor = 1; tensor <= stage; ++tensor) {
        if (stage % tensor != 0 || !accepts(spec.tensor, tensor) || !tensor_allowed(model, tensor))
          continue;
        const int groups = stage / tensor;
        if (!accepts(spec.data_attention, groups) ||
            (groups > 1 && !mixture && spec.data_attention == 0))
          continue;
        for (int expert = 1; expert <= stage; ++expert) {
          if (stage % expert != 0 || !accepts(spec.expert, expert)) continue;
          if (expert > 1 && (!mixture || expert > fewest_experts(model))) continue;
          // Engines run experts either sliced over all ranks or whole on each; other mixes by
          // request.
          if (spec.expert == 0 && expert != 1 && expert != stage) continue;
          if (spec.expert == 0 && fewest_experts(model) % expert != 0) continue;
          const Deployment d{tensor, pipeline, expert, groups};
          if (spec.expert == 0 && mixture && !slices_hold_whole_blocks(model, precision, d))
            continue;
          out.push_back(d);
        }
      }
    }
  }
  return out;
}

}  // namespace tollgate
