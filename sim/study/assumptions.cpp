#include "sim/study/assumptions.h"

#include <algorithm>
#include <map>

#include "sim/base/text.h"
#include "sim/timing/compute_path.h"
#include "sim/timing/routing_table.h"

namespace tollgate {
namespace {

/// Groups operator classes by where their constants come from.
class Citations {
 public:
  void cite(const char* name, const OperatorEfficiency& e) {
    auto& names = by_source_["(" + std::string(to_string(e.provenance)) + "): " + e.source];
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
  }
  void append_to(std::vector<std::string>& sentences) const {
    for (const auto& [source, names] : by_source_) {
      sentences.push_back("Times of " + join(names) + " " + source + ".");
    }
  }

 private:
  std::map<std::string, std::vector<std::string>> by_source_;
};

std::string popularity_sentence(const RoutingSpec& routing, const std::string& family) {
  switch (routing.popularity) {
    case RoutingSpec::Popularity::uniform:
      return "Experts are equally popular, as the scenario says.";
    case RoutingSpec::Popularity::lognormal:
      return "Expert popularity is log-normal with sigma " + shortest(routing.sigma) +
             ", as the scenario says.";
    case RoutingSpec::Popularity::family:
      break;
  }
  const std::string of = family.empty() ? "an unknown family" : "family '" + family + "'";
  return "Expert popularity of " + of + " is " +
         std::string(to_string(family_popularity(family).provenance)) + ".";
}

bool widened(Precision stored, const PeakRates& peak) {
  return bytes_per_element(stored) < 2 && compute_path(stored, peak).unit == ComputeClass::bf16 &&
         stored != Precision::int4;
}

}  // namespace

std::vector<std::string> assumptions_of(const CandidateSpec& candidate,
                                        const PrecisionMap& precision, const Deployment& deployment,
                                        const WorkloadMix& mix) {
  const EfficiencyTable& table = candidate.hardware.efficiency;
  const PeakRates& peak = candidate.hardware.peak;
  std::vector<std::string> out;
  Citations citations;
  const auto product = [&](Precision stored) {
    switch (compute_path(stored, peak).unit) {
      case ComputeClass::bf16:
        return citations.cite("bf16 products", table.gemm_bf16);
      case ComputeClass::fp8:
        return citations.cite("fp8 products", table.gemm_fp8);
      case ComputeClass::fp4:
        return citations.cite("fp4 products", table.gemm_fp4);
    }
  };
  bool mixture = false;
  for (const Precision stored : {precision.embedding, precision.attention}) product(stored);
  for (const FfnSpec& f : candidate.model.ffns) {
    if (f.kind == FfnKind::dense) {
      product(precision.dense_ffn);
      continue;
    }
    mixture = true;
    const auto unit = compute_path(precision.experts, peak).unit;
    citations.cite("experts", unit == ComputeClass::bf16  ? table.moe_bf16
                              : unit == ComputeClass::fp8 ? table.moe_fp8
                                                          : table.moe_fp4);
    if (f.shared_experts > 0) product(precision.shared_experts);
  }
  for (const AttentionSpec& a : candidate.model.attentions) {
    if (a.kind == AttentionKind::linear) {
      citations.cite("linear attention", table.linear_attention);
    } else if (a.kind == AttentionKind::mla || a.shared_kv) {
      citations.cite("latent decode attention", table.mla_decode);
      citations.cite("latent prefill attention", table.mla_prefill);
    } else {
      citations.cite("decode attention", table.decode_attention);
      citations.cite("prefill attention", table.prefill_attention);
    }
  }
  if (deployment.tensor > 1) citations.cite("all-reduce", table.all_reduce);
  if (deployment.data_attention > 1 || deployment.pipeline > 1)
    citations.cite("all-to-all", table.all_to_all);
  citations.cite("elementwise", table.elementwise);

  if (mixture) out.push_back(popularity_sentence(candidate.routing, candidate.model.family));
  citations.append_to(out);
  if (mixture && candidate.deployment.planned_placement) {
    const int plan = candidate.deployment.plan_domains;
    out.push_back(
        "Experts are placed by EPLB with " +
        std::to_string(candidate.deployment.redundant_experts) +
        " redundant ones, planned on an earlier window of " +
        (plan > 0 ? std::to_string(plan) + " kinds of traffic" : std::string("the same traffic")) +
        "; moving experts costs nothing (assumed).");
  }
  if (widened(precision.attention, peak) || widened(precision.experts, peak) ||
      widened(precision.dense_ffn, peak)) {
    out.push_back("Weights in a format without a matrix unit on " + candidate.hardware.name +
                  " are widened to bf16 on the way, at no cost (assumed).");
  }
  if (bytes_per_element(precision.kv_cache) < 1) {
    out.push_back("A KV cache of less than 8 bits is read at the speed of its bytes (assumed).");
  }
  out.push_back(
      "Host times, token budget and memory share are those of " + candidate.engine.name + " " +
      candidate.engine.version +
      " (models/engines); workspace and runtime memory are assumed constants of the method.");
  if (mix.cached > 0) {
    out.push_back("The prefix-cache hit rate is taken from the scenario, not simulated.");
  }
  if (mix.cut_share > 1e-4) {
    out.push_back("Requests longer than the shortest context among the candidates are cut to it: " +
                  significant(100 * mix.cut_share, 2) + " % of all tokens.");
  }
  if (deployment.pipeline > 1)
    out.push_back("Pipeline stages are taken as balanced and without bubbles.");
  if (candidate.deployment.mtp_draft_tokens > 0) {
    out.push_back("The acceptance length of draft tokens is taken from the scenario.");
  }
  out.push_back("Quality of answers is not part of the comparison.");
  return out;
}

}  // namespace tollgate
