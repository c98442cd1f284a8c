#include <algorithm>

#include "sim/base/text.h"
#include "sim/report/facts.h"
#include "sim/report/number_format.h"
#include "sim/report/text_report.h"

namespace tollgate {
namespace {

const CandidateResult* rival_of(const RunResult& result, const CandidateResult& best) {
  // The question behind most scenarios is MoE against dense: prefer a rival of the other kind.
  const CandidateResult* next = nullptr;
  for (const std::size_t i : by_cost(result)) {
    const CandidateResult& c = result.candidates[i];
    if (&c == &best || !has_operating_point(c) || !c.meets_slo) continue;
    if (is_dense(c) != is_dense(best)) return &c;
    if (!next) next = &c;
  }
  return next;
}

std::string comparison(const CandidateResult& best, const CandidateResult& rival) {
  const Estimate& a = best.usd_per_million_output_tokens;
  const Estimate& b = rival.usd_per_million_output_tokens;
  const double times = a.value > 0 ? b.value / a.value : 1;
  const std::string kind = is_dense(rival) == is_dense(best) ? ""
                           : is_dense(rival)                 ? "the dense "
                                                             : "the MoE ";
  if (times < 1.005) return ", the same as " + kind + printable(rival.name) + ".";
  std::string text = ", " + ratio_text(times) + " times cheaper than " + kind +
                     printable(rival.name) + " (" + money_text(b.value) + ").";
  return text;
}

/// Whose bands reach into the best one's, so that the order is not certain.
std::string overlaps(const RunResult& result, const CandidateResult& best) {
  std::vector<std::string> names;
  for (const std::size_t i : by_cost(result)) {
    const CandidateResult& c = result.candidates[i];
    if (&c == &best || !has_operating_point(c) || !c.meets_slo) continue;
    if (c.usd_per_million_output_tokens.low <= best.usd_per_million_output_tokens.high)
      names.push_back(printable(c.name));
  }
  if (names.empty()) return "";
  const std::string of =
      names.size() > 2 ? std::to_string(names.size()) + " others" : join(names, " and ");
  return " Its P10-P90 band overlaps with that of " + of + ": the order is likely, not certain.";
}

/// "(P10-P90 0.4-0.6, GPU price of 2026-10)", or what there is of it.
std::string in_brackets(const CandidateResult& c) {
  const Estimate& cost = c.usd_per_million_output_tokens;
  std::vector<std::string> parts;
  if (cost.low < cost.high)
    parts.push_back("P10-P90 " + money_text(cost.low) + "-" + money_text(cost.high));
  if (!c.price.date.empty()) parts.push_back("GPU price of " + printable(c.price.date));
  return parts.empty() ? "" : " (" + join(parts) + ")";
}

}  // namespace

std::string verdict(const RunResult& result) {
  if (result.cheapest < 0 || result.cheapest >= static_cast<int>(result.candidates.size())) {
    const auto fitting = std::count_if(result.candidates.begin(), result.candidates.end(),
                                       [](const CandidateResult& c) { return c.fits; });
    const bool impossible =
        std::all_of(result.candidates.begin(), result.candidates.end(),
                    [](const CandidateResult& c) { return c.limited_by == "deployment"; });
    if (impossible)
      return "No candidate can be deployed in the sizes given; the reasons stand beside each.";
    return fitting == 0 ? "No candidate fits in its GPUs' memory."
                        : "No candidate meets the target; the reasons stand beside each.";
  }
  const CandidateResult& best = result.candidates[static_cast<std::size_t>(result.cheapest)];
  const bool only = result.candidates.size() == 1;
  std::string text = printable(best.name) +
                     (only ? " meets the target: " : " is the cheapest that meets the target: ");
  text += money_text(best.usd_per_million_output_tokens.value) + " USD per million output tokens" +
          in_brackets(best);
  const CandidateResult* rival = rival_of(result, best);
  return text + (rival ? comparison(best, *rival) : ".") + overlaps(result, best);
}

}  // namespace tollgate
