#include "sim/study/demand_study.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/base/text.h"
#include "sim/study/cost_study.h"

namespace tollgate {
namespace {

constexpr double day = 86400, week = 7 * day;

std::string per_day(double tokens_per_second) {
  return significant(tokens_per_second * day / 1e12, 3) + " T/day";
}

std::string per_week(double tokens_per_second) {
  return significant(tokens_per_second * week / 1e12, 3) + " T/week";
}

std::string percent(double share) { return significant(100 * share, 3) + " %"; }

double before(const VolumeSpec& v) { return v.change ? v.tokens / (1 + *v.change) : 0; }

/// What the listed parts of a whole say, and what they do not.
void study_parts(const std::vector<VolumeSpec>& all, const VolumeSpec& whole,
                 std::vector<std::string>& findings) {
  double now = 0, then = 0;
  int parts = 0;
  bool known = whole.change.has_value();
  for (const VolumeSpec& v : all) {
    if (v.part_of != whole.name || v.gone) continue;
    ++parts;
    now += v.tokens;
    then += before(v);
    known = known && v.change.has_value();
  }
  for (const VolumeSpec& gone : all) {
    if (gone.part_of != whole.name || !gone.gone || !whole.change || *whole.change >= 0) continue;
    const double fall = before(whole) - whole.tokens;
    findings.push_back(
        gone.name + " left the list with " + per_week(gone.tokens) + ", " +
        percent(gone.tokens / before(whole)) + " of " + whole.name + " the period before; " +
        (gone.tokens >= fall ? "its exit alone exceeds the whole fall of " + per_week(fall) + "."
                             : whole.name + " fell by " + per_week(fall) + ", more than that."));
  }
  if (parts < 2 || !whole.part_of.empty()) return;
  findings.push_back("The parts listed are " + per_week(now) + " of the " + per_week(whole.tokens) +
                     " of " + whole.name + ", " + percent(now / whole.tokens) +
                     ": a share of the list is not a share of it.");
  if (!known) return;
  const double listed = now / then - 1;
  const double rest = (whole.tokens - now) / (before(whole) - then) - 1;
  findings.push_back(
      "The parts listed grew by " + percent(listed) + ", " + whole.name + " by " +
      percent(*whole.change) + " and what is not listed by " + percent(rest) + "." +
      (listed > *whole.change ? " Growth of the list overstates growth of the whole." : ""));
}

/// A share of the world's tokens, held against volumes that are in the world too.
void study_world_share(const std::vector<VolumeSpec>& all, const VolumeSpec& v,
                       std::vector<std::string>& findings) {
  const double least = v.tokens / *v.share_high, most = v.tokens / *v.share_low;
  std::string text = v.name + " at " + percent(*v.share_low) + " to " + percent(*v.share_high) +
                     " of the world makes the world " + per_day(least) + " to " + per_day(most) +
                     ".";
  for (const VolumeSpec& other : all) {
    if (&other == &v || other.gone || !other.part_of.empty() || other.tokens <= least) continue;
    text += " " + other.name + " alone is " + per_day(other.tokens) + ": ";
    text += other.tokens >= most ? "no share in that range is possible."
                                 : "the upper end is impossible, the lower leaves " +
                                       per_day(most - other.tokens) + " for all others.";
  }
  findings.push_back(text);
}

FleetUnit unit_of(const CandidateResult& c, const CandidateSpec& spec) {
  FleetUnit unit;
  unit.tokens_per_second_per_gpu =
      sum(c.input_tokens_per_second_per_gpu, c.output_tokens_per_second_per_gpu);
  unit.utilisation = utilisation_of(spec.pricing);
  unit.gpus_per_replica = c.gpus;
  unit.watts_per_gpu = spec.hardware.all_in_power;
  unit.usd_per_gpu_hour = c.price.usd_per_hour;
  return unit;
}

/// The cheapest candidate of every model that runs, in scenario order.
std::vector<std::size_t> servers(const RunResult& run) {
  std::vector<std::size_t> best;
  for (std::size_t i = 0; i < run.candidates.size(); ++i) {
    const CandidateResult& c = run.candidates[i];
    if (!c.fits || !c.meets_slo) continue;
    const auto same = std::find_if(best.begin(), best.end(), [&](std::size_t j) {
      return run.candidates[j].model == c.model;
    });
    if (same == best.end()) {
      best.push_back(i);
    } else if (c.usd_per_million_tokens.value <
               run.candidates[*same].usd_per_million_tokens.value) {
      *same = i;
    }
  }
  return best;
}

void study_fleets(const Scenario& scenario, const RunResult* run, const VolumeSpec& v,
                  DemandResult& r) {
  const DemandSpec& d = *scenario.demand;
  for (const YardstickSpec& y : d.yardsticks) {
    FleetUnit unit;
    unit.tokens_per_second_per_gpu = exactly(y.tokens / y.gpus);
    unit.gpus_per_replica = y.gpus;
    unit.watts_per_gpu = y.power;
    unit.usd_per_gpu_hour = y.usd_per_gpu_hour;
    r.fleets.push_back({v.name, y.name, false, y.power > 0, fleet_for(v.tokens, unit, d.pue)});
  }
  if (!run) return;
  for (const std::size_t i : servers(*run)) {
    const CandidateResult& c = run->candidates[i];
    if (!v.model.empty() && v.model != c.model) continue;
    const FleetUnit unit = unit_of(c, scenario.candidates[i]);
    r.fleets.push_back(
        {v.name, c.name, true, unit.watts_per_gpu > 0, fleet_for(v.tokens, unit, d.pue)});
  }
}

AgentResult study_agents(const AgentDemandSpec& spec, std::vector<std::string>& findings) {
  AgentResult r;
  r.agents = spec;
  r.intensity = agent_intensity(spec.parity);
  for (const double p : spec.penetrations)
    r.multiples.push_back(demand_multiple(p, r.intensity.besides));
  findings.push_back("If agents at " + percent(spec.parity) +
                     " penetration take as many tokens as all chatbot users, an agent user takes " +
                     significant(r.intensity.instead, 3) + " times (instead of chatting) to " +
                     significant(r.intensity.besides, 3) +
                     " times (besides) the tokens of a chatbot user.");
  if (spec.target > 0) {
    r.needed = penetration_for(spec.target, r.intensity.besides);
    findings.push_back(significant(spec.target, 3) + " times as many tokens take " +
                       percent(r.needed) + " penetration at that intensity" +
                       (r.needed > 1 ? ": more than everybody." : "."));
  }
  return r;
}

}  // namespace

DemandResult study_demand(const Scenario& scenario, const std::vector<MixResult>& mixes,
                          const std::vector<OfferResult>& offers) {
  const DemandSpec& d = *scenario.demand;
  DemandResult r;
  r.pue = d.pue;
  const RunResult* run = nullptr;
  for (const MixResult& mix : mixes) {
    if (mix.run.candidates.empty()) continue;
    if (run && mix.name != d.mix) continue;
    run = &mix.run;
    r.mix = mix.name;
  }
  for (const VolumeSpec& v : d.volumes) {
    VolumeResult row;
    row.volume = v;
    row.before = before(v);
    for (const VolumeSpec& whole : d.volumes) {
      if (whole.name == v.part_of && !v.gone) row.share = v.tokens / whole.tokens;
    }
    for (const OfferResult& offer : offers) {
      if (v.model.empty() || offer.offer.model != v.model || !row.revenue.empty()) continue;
      row.closed = offer.offer.closed;
      for (const MarketCell& cell : offer.cells)
        row.revenue.push_back(v.tokens * week / 1e6 * cell.price);
    }
    r.volumes.push_back(row);
    if (!v.gone && (v.model.empty() ? v.part_of.empty() : !row.closed))
      study_fleets(scenario, run, v, r);
  }
  for (const VolumeSpec& v : d.volumes) study_parts(d.volumes, v, r.findings);
  for (const VolumeSpec& v : d.volumes) {
    if (v.share_low) study_world_share(d.volumes, v, r.findings);
  }
  for (const UserSpec& u : d.users) {
    r.users.push_back({u, daily_tokens({u.users, u.penetration, u.tasks_per_day, u.turns_per_task,
                                        u.calls_per_turn, u.first_prompt, u.context_growth,
                                        u.reasoning, u.output, u.prompt_compression})});
  }
  if (d.agents) r.agents = study_agents(*d.agents, r.findings);
  return r;
}

}  // namespace tollgate
