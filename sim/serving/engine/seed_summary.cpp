#include "sim/serving/engine/seed_summary.h"

#include <algorithm>

#include "sim/base/error.h"

namespace tollgate {
namespace {

using Runs = std::vector<ServingSummary>;

template <class Figure>
SeedInterval over(const Runs& runs, Figure figure) {
  std::vector<double> values;
  for (const ServingSummary& run : runs) values.push_back(figure(run));
  return over_seeds(values);
}

template <class Latency>
LatencyIntervals latency(const Runs& runs, Latency of) {
  LatencyIntervals l;
  l.mean = over(runs, [&](const ServingSummary& s) { return of(s).mean; });
  l.p50 = over(runs, [&](const ServingSummary& s) { return of(s).p50; });
  l.p90 = over(runs, [&](const ServingSummary& s) { return of(s).p90; });
  l.p95 = over(runs, [&](const ServingSummary& s) { return of(s).p95; });
  l.p99 = over(runs, [&](const ServingSummary& s) { return of(s).p99; });
  l.max = over(runs, [&](const ServingSummary& s) { return of(s).max; });
  return l;
}

ClassIntervals of_class(const Runs& runs, std::size_t k) {
  ClassIntervals c;
  c.name = runs[0].classes[k].name;
  c.ttft = latency(runs, [k](const ServingSummary& s) { return s.classes[k].ttft; });
  c.tpot = latency(runs, [k](const ServingSummary& s) { return s.classes[k].tpot; });
  c.end_to_end = latency(runs, [k](const ServingSummary& s) { return s.classes[k].end_to_end; });
  c.attained = over(runs, [k](const ServingSummary& s) { return s.classes[k].attained; });
  c.goodput = over(runs, [k](const ServingSummary& s) { return s.classes[k].goodput; });
  return c;
}

void judge(const Runs& runs, SeedSummary& out) {
  std::vector<Saturation> verdicts;
  for (const ServingSummary& run : runs) verdicts.push_back(run.saturation);
  std::sort(verdicts.begin(), verdicts.end());
  out.saturation = verdicts[verdicts.size() / 2];
  const auto same = [&](const ServingSummary& run) { return run.saturation == out.saturation; };
  out.reason = std::find_if(runs.begin(), runs.end(), same)->reason;
  if (runs.size() > 1) {
    out.reason = std::to_string(std::count_if(runs.begin(), runs.end(), same)) + " of " +
                 std::to_string(runs.size()) + " seeds agree; in the first of them " + out.reason;
  }
}

}  // namespace

SeedSummary summarise_seeds(const Runs& runs) {
  if (runs.empty()) throw InputError("there are no runs to summarise");
  for (const ServingSummary& run : runs) {
    if (run.classes.size() != runs[0].classes.size()) {
      throw InputError("the runs to summarise have different classes");
    }
  }
  SeedSummary out;
  out.seeds = static_cast<int>(runs.size());
  using S = ServingSummary;
  out.requests_per_second = over(runs, [](const S& s) { return s.requests_per_second; });
  out.input_tokens_per_second = over(runs, [](const S& s) { return s.input_tokens_per_second; });
  out.output_tokens_per_second = over(runs, [](const S& s) { return s.output_tokens_per_second; });
  out.ttft = latency(runs, [](const S& s) { return s.ttft; });
  out.tpot = latency(runs, [](const S& s) { return s.tpot; });
  out.end_to_end = latency(runs, [](const S& s) { return s.end_to_end; });
  out.itl = latency(runs, [](const S& s) { return s.itl; });
  out.goodput = over(runs, [](const S& s) { return s.goodput; });
  out.cache_hit_rate = over(runs, [](const S& s) { return s.cache_hit_rate; });
  for (std::size_t k = 0; k < runs[0].classes.size(); ++k) out.classes.push_back(of_class(runs, k));
  judge(runs, out);
  return out;
}

}  // namespace tollgate
