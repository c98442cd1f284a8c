#include "sim/study/assumptions.h"

#include <algorithm>
#include <set>

#include "sim/base/text.h"
#include "sim/spec/architecture.h"
#include "sim/timing/compute_path.h"
#include "sim/timing/routing_table.h"

namespace tollgate {
namespace {

/// Where operator times come from; then one sentence for every curve that another one stands in
/// for.
void cite(const UsedCurves& used, std::vector<std::string>& sentences) {
  std::set<std::string> sources, notes;
  for (const auto& [name, curve] : used) {
    const CurveChoice& c = curve->choice;
    if (!c.note.empty()) notes.insert(c.note);
    if (c.rule != TransferRule::start) sources.insert(c.source);
  }
  for (const std::string& source : sources) {
    sentences.push_back("Operator times are fitted to " + source + ".");
  }
  sentences.insert(sentences.end(), notes.begin(), notes.end());
}

std::string popularity_sentence(const RoutingSpec& routing, const FamilyPopularity& popularity,
                                const std::string& family) {
  switch (routing.popularity) {
    case RoutingSpec::Popularity::uniform:
      return "Experts are equally popular, as the scenario says.";
    case RoutingSpec::Popularity::lognormal:
      return "Expert popularity is log-normal with sigma " + shortest(routing.sigma) +
             ", as the scenario says.";
    case RoutingSpec::Popularity::zipf:
      return "Expert popularity is Zipf's law with exponent " + shortest(routing.exponent) +
             ", as the scenario says.";
    case RoutingSpec::Popularity::power_law:
      return "Expert loads are drawn from a power law with exponent " + shortest(routing.exponent) +
             ", as the scenario says.";
    case RoutingSpec::Popularity::trace:
      return "Experts are chosen as recorded in " + quote(routing.trace, 200) +
             ": choices are replayed, counts drawn again.";
    case RoutingSpec::Popularity::family:
      break;
  }
  if (popularity.confidence == Provenance::exact) {
    return "Spread of expert popularity is taken from the scenario where it says so.";
  }
  const std::string of =
      popularity.family != family ? "an unknown family" : "family '" + family + "'";
  return "Expert popularity of " + of + " is " + grade_of(popularity.confidence) + ": " +
         popularity.source + ".";
}

bool widened(Precision stored, const PeakRates& peak) {
  return bytes_per_element(stored) < 2 && compute_path(stored, peak).unit == ComputeClass::bf16 &&
         stored != Precision::int4;
}

}  // namespace

std::vector<std::string> assumptions_of_transfer(const CandidateSpec& candidate,
                                                 const CacheTransfer& transfer) {
  std::vector<std::string> out{
      "Caches are sent over " + transfer.over +
      " at its full bandwidth, one prompt at a time on each link, after the prompt is computed "
      "(assumed)."};
  if (candidate.engine.policy == SchedulingPolicy::no_evict) {
    out.push_back("The pools of TensorRT-LLM are scheduled as vLLM's (assumed).");
  }
  return out;
}

std::vector<std::string> assumptions_of(const CandidateSpec& candidate,
                                        const PrecisionMap& precision, const Deployment& deployment,
                                        const WorkloadMix& mix, const StepModel& step,
                                        Fidelity fidelity) {
  const PeakRates& peak = candidate.hardware.peak;
  std::vector<std::string> out;
  const bool mixture = candidate.model.has_experts();
  if (mixture)
    out.push_back(
        popularity_sentence(candidate.routing, candidate.popularity, candidate.model.family));
  if (std::any_of(candidate.model.ffns.begin(), candidate.model.ffns.end(),
                  [](const FfnSpec& f) { return f.kind == FfnKind::moe && f.router.hash; })) {
    out.push_back(
        "Layers that choose experts by token id get ids by Zipf's law and a random table: "
        "guessed.");
  }
  cite(step.curves(), out);
  if (mixture && candidate.deployment.planned_placement) {
    const int plan = candidate.deployment.plan_domains;
    out.push_back(
        "Experts are placed by EPLB with " +
        std::to_string(candidate.deployment.redundant_experts) +
        " redundant ones, planned on an earlier window of " +
        (plan > 0 ? std::to_string(plan) + " kinds of traffic" : std::string("the same traffic")) +
        "; moving experts costs nothing (assumed).");
  }
  if (candidate.deployment.two_batch_overlap && deployment.exchanges_tokens()) {
    out.push_back(
        "Steps run as two batches where that is quicker: the exchange with experts passes beside "
        "the other batch's computing, of which DeepEP's kernels for prompts hold 20 processors; "
        "changing between the batches costs nothing (assumed).");
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
  const auto& attentions = candidate.model.attentions;
  if (candidate.deployment.window_cache == WindowCache::sequence &&
      std::any_of(attentions.begin(), attentions.end(), [](const AttentionSpec& a) {
        return a.window > 0 && cache_shape(a).compression == 1;
      })) {
    out.push_back("Layers with a sliding window keep whole sequences in the cache, as " +
                  candidate.engine.name +
                  " does by default (`window_cache: window` keeps the window alone).");
  }
  if (mix.cached > 0 && fidelity == Fidelity::analytic) {
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
