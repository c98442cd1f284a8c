#include "sim/report/simulation_text.h"

#include <cmath>

#include "sim/base/text.h"
#include "sim/report/number_format.h"

namespace tollgate {
namespace {

/// "128 ms +- 2 ms"; the interval is left out where there is one draw.
std::string with_interval(const SeedInterval& s, std::string (*text)(double)) {
  std::string out = text(s.mean);
  if (s.half_width > 0 && std::isfinite(s.half_width)) out += " +- " + text(s.half_width);
  return glued(out);
}

std::string percentiles(const SimulatedLatency& l) {
  return "P50 " + with_interval(l.p50, seconds_text) + ", P90 " +
         with_interval(l.p90, seconds_text) + ", P95 " + with_interval(l.p95, seconds_text) +
         ", P99 " + with_interval(l.p99, seconds_text);
}

std::string verdict(Saturation saturation) {
  switch (saturation) {
    case Saturation::stable:
      return "stable";
    case Saturation::backlogged:
      return "backlogged";
    case Saturation::overloaded:
      break;
  }
  return "overloaded";
}

std::string difference(double closed_form, double simulated) {
  if (simulated <= 0) return "unknown";
  const double by = closed_form / simulated - 1;
  if (std::fabs(by) < 0.005) return "alike";
  return (by < 0 ? "-" : "+") + percent_text(std::fabs(by));
}

}  // namespace

std::vector<LabelledLine> simulation_lines(const SimulatedResult& s) {
  std::vector<LabelledLine> lines;
  std::string how = std::to_string(s.seeds) + (s.seeds == 1 ? " draw of " : " draws of ") +
                    grouped(static_cast<double>(s.requests), 0) + " requests";
  if (s.replicas > 1) how += " on " + std::to_string(s.replicas) + " replicas";
  how += "; " + glued(seconds_text(s.window)) + " count after " + glued(seconds_text(s.warm_up)) +
         " of warm-up; " + verdict(s.saturation);
  if (!s.reason.empty()) how += ": " + printable(s.reason);
  lines.push_back({"simulated", how});
  lines.push_back({"TTFT", percentiles(s.ttft)});
  if (s.tpot.mean.mean > 0) lines.push_back({"TPOT", percentiles(s.tpot)});
  if (s.itl.mean.mean > 0) {
    lines.push_back(
        {"ITL", percentiles(s.itl) + ", longest " + with_interval(s.itl.max, seconds_text)});
  }
  lines.push_back({"whole request", percentiles(s.end_to_end)});
  std::string counts = "prefix cache hits " + percent_text(s.hit_rate.mean) +
                       " of prompt tokens, preemptions " + significant(100 * s.preempted.mean, 2) +
                       " per 100 requests";
  if (s.attained.mean < 1) {
    counts += ", promises kept for " + percent_text(s.attained.mean) + " of requests";
  }
  if (s.cut > 0) {
    counts += ", " + grouped(static_cast<double>(s.cut), 0) + " requests cut to fit the context";
  }
  lines.push_back({"", counts});
  if (s.classes.size() > 1) {
    for (const SimulatedClass& c : s.classes) {
      std::string text = printable(c.name) + ": TTFT P50 " + glued(seconds_text(c.ttft.p50.mean)) +
                         ", P95 " + glued(seconds_text(c.ttft.p95.mean)) + "; TPOT P50 " +
                         glued(seconds_text(c.tpot.p50.mean)) + ", P95 " +
                         glued(seconds_text(c.tpot.p95.mean));
      if (c.attained.mean < 1) text += "; promises kept for " + percent_text(c.attained.mean);
      lines.push_back({"", text});
    }
  }
  lines.push_back(
      {"closed form", "at its own operating point, against the simulation: throughput " +
                          difference(s.analytic_requests_per_second, s.requests_per_second.mean) +
                          ", TTFT " + difference(s.analytic_ttft, s.ttft.mean.mean) + ", TPOT " +
                          difference(s.analytic_tpot, s.tpot.mean.mean)});
  return lines;
}

}  // namespace tollgate
