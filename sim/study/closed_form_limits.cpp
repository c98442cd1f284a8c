#include "sim/study/closed_form_limits.h"

#include <algorithm>

namespace tollgate {
namespace {

constexpr double sequences_per_group = 4;

std::string may_differ(const std::string& why, const char* by) {
  return why + ", so the closed form may differ by up to " + by +
         " from a simulation of single requests (`fidelity: simulated`).";
}

}  // namespace

std::string closed_form_caveat(const Scenario& scenario, const CandidateSpec& candidate,
                               const Deployment& deployment, const OperatingPoint& point) {
  const auto& classes = scenario.workload;
  if (scenario.load.kind == LoadKind::trace) {
    return may_differ("The trace's bursts are averaged", "several times in latency");
  }
  if (std::any_of(classes.begin(), classes.end(),
                  [](const RequestClass& c) { return c.session.has_value(); })) {
    return may_differ("Conversations are taken as single requests with the stated cache hits",
                      "tens of percent");
  }
  const bool bursts = scenario.load.arrivals.kind != ArrivalKind::poisson &&
                      scenario.load.arrivals.kind != ArrivalKind::uniform;
  if (scenario.load.kind == LoadKind::rate && bursts) {
    return may_differ("Bursts of arrivals are averaged", "several times in latency");
  }
  const int groups = deployment.data_attention;
  if (groups == 1) return "";
  if (point.state.in_flight < sequences_per_group * groups) {
    return may_differ("Data-parallel groups have fewer than four requests each", "10 %");
  }
  const auto& attentions = candidate.model.attentions;
  if (std::any_of(attentions.begin(), attentions.end(),
                  [](const AttentionSpec& a) { return a.index.top_k > 0; })) {
    return may_differ(
        "Sparse attention is slower or faster by the length of each prompt, and "
        "data-parallel groups wait for the slowest",
        "25 %");
  }
  return "";
}

}  // namespace tollgate
