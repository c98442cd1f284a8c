#include "sim/study/market_study.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/base/text.h"
#include "sim/placement/memory_plan.h"
#include "sim/pricing/profit.h"
#include "sim/serving/workload_mix.h"
#include "sim/study/chosen_deployment.h"
#include "sim/study/cost_study.h"
#include "sim/study/demand_study.h"
#include "sim/study/growth_study.h"
#include "sim/study/price_study.h"
#include "sim/study/run.h"

namespace tollgate {
namespace {

std::string percent(double share) { return significant(100 * share, 3) + " %"; }

/// The scenario with one workload, to be run as any other.
Scenario at_mix(const Scenario& scenario, const std::vector<RequestClass>& workload) {
  Scenario one = scenario;
  one.workload = workload;
  one.mixes.clear();
  one.market.reset();
  one.compare.reset();
  one.demand.reset();
  one.growth.clear();
  return one;
}

std::vector<RequestClass> with_hit_rate(std::vector<RequestClass> workload, double rate) {
  for (RequestClass& c : workload) c.prefix_hit_rate = rate;
  return workload;
}

/// Prompt tokens per generated one and the hit rate of a run; lengths as they are served.
void note_mix(const RunResult& run, MixResult& mix) {
  mix.input_per_output = run.mean_input / run.mean_output;
  mix.hit_rate = run.mean_cached / run.mean_input;
}

/// The cheapest candidate of a model that keeps the target, -1 none.
int cheapest_of(const RunResult& run, const std::string& model) {
  int best = -1;
  for (std::size_t i = 0; i < run.candidates.size(); ++i) {
    const CandidateResult& c = run.candidates[i];
    if (c.model != model || !c.fits || !c.meets_slo) continue;
    if (best < 0 || c.usd_per_million_tokens.value <
                        run.candidates[static_cast<std::size_t>(best)].usd_per_million_tokens.value)
      best = static_cast<int>(i);
  }
  return best;
}

double margin_of(double price, double cost) { return gross_margin(price, cost); }

/// Both ends of an assumption as a swing, whichever end is the better one.
Swing swing(const char* assumption, std::pair<std::string, double> a,
            std::pair<std::string, double> b) {
  if (a.second > b.second) std::swap(a, b);
  return {assumption, a.first, b.first, a.second, b.second};
}

/// What a candidate costs with one assumption changed, which takes another run.
struct Variant {
  std::string what;  ///< in words
  const char* assumption;
  double price = 0, cost = 0;  ///< USD per million tokens
};

/// Everything at one mix: the runs, then the cells.
class MixStudy {
 public:
  MixStudy(const Scenario& scenario, const MixSpec& mix, Library& library,
           const kernels::RoutingBackend& backend, bool strict, std::shared_ptr<CurveFiles> files)
      : scenario_(scenario),
        mix_(mix),
        library_(library),
        backend_(backend),
        strict_(strict),
        files_(std::move(files)) {}

  MixResult run() const {
    MixResult r;
    r.name = mix_.name;
    if (scenario_.candidates.empty()) {
      const WorkloadMix mean = summarise(mix_.workload);
      r.run.workload = mix_.workload;
      r.run.mean_input = mean.input;
      r.run.mean_cached = mean.cached;
      r.run.mean_output = mean.output;
    } else {
      r.run = run_scenario(at_mix(scenario_, mix_.workload), library_, backend_, strict_, files_);
    }
    note_mix(r.run, r);
    return r;
  }

  /// Fills the cell of every offer at this mix.
  void fill(const MixResult& mix, std::vector<OfferResult>& offers) const {
    std::vector<int> chosen;
    for (const OfferResult& offer : offers) {
      chosen.push_back(offer.not_simulated.empty() ? cheapest_of(mix.run, offer.offer.model) : -1);
    }
    const auto variants = variants_of(mix.run, chosen, offers);
    for (std::size_t i = 0; i < offers.size(); ++i) {
      MarketCell cell;
      cell.price = blended(offers[i].offer, mix);
      cell.candidate = chosen[i];
      if (chosen[i] >= 0) fill_cost(mix.run, variants[i], cell);
      offers[i].cells.push_back(cell);
    }
  }

 private:
  void fill_cost(const RunResult& run, const std::vector<Variant>& variants,
                 MarketCell& cell) const {
    const auto index = static_cast<std::size_t>(cell.candidate);
    const CandidateResult& c = run.candidates[index];
    const double utilisation = utilisation_of(scenario_.candidates[index].pricing);
    cell.cost = c.usd_per_million_tokens;
    if (cell.price <= 0) return;
    cell.margin = {margin_of(cell.price, cell.cost.value), margin_of(cell.price, cell.cost.high),
                   margin_of(cell.price, cell.cost.low)};
    cell.break_even_utilisation = break_even_utilisation(cell.cost.value * utilisation, cell.price);
    cell.rent = rent_or_pay(
        c.gpus * c.price.usd_per_hour,
        scaled(sum(c.input_tokens_per_second_per_gpu, c.output_tokens_per_second_per_gpu), c.gpus),
        cell.price);

    const auto at_cost = [&](double factor) {
      return margin_of(cell.price, cell.cost.value * factor);
    };
    cell.swings.push_back(swing("step time", {"P90 of the band", cell.margin.low},
                                {"P10 of the band", cell.margin.high}));
    const MarketSpec& market = *scenario_.market;
    const GpuPrice *low = nullptr, *high = nullptr;
    for (const GpuPrice& p : market.gpu_prices) {
      if (p.hardware != c.hardware) continue;
      if (!low || p.usd_per_hour < low->usd_per_hour) low = &p;
      if (!high || p.usd_per_hour > high->usd_per_hour) high = &p;
    }
    if (low) {
      const auto end = [&](const GpuPrice& p) {
        return std::pair{significant(p.usd_per_hour, 3) + " USD/h, " + p.level + " " + p.date,
                         at_cost(p.usd_per_hour / c.price.usd_per_hour)};
      };
      cell.swings.push_back(swing("GPU price", end(*low), end(*high)));
    }
    if (market.utilisation_low || market.utilisation_high) {
      const auto end = [&](double u) { return std::pair{percent(u), at_cost(utilisation / u)}; };
      cell.swings.push_back(swing("utilisation", end(market.utilisation_low.value_or(utilisation)),
                                  end(market.utilisation_high.value_or(utilisation))));
    }
    for (const char* assumption : {"hit rate", "precision"}) {
      std::pair<std::string, double> worst{"as assumed", cell.margin.value}, best = worst;
      for (const Variant& v : variants) {
        if (std::string_view(v.assumption) != assumption) continue;
        const std::pair end{v.what, margin_of(v.price, v.cost)};
        if (end.second < worst.second) worst = end;
        if (end.second > best.second) best = end;
      }
      if (best.second > worst.second) cell.swings.push_back(swing(assumption, worst, best));
    }
    std::stable_sort(cell.swings.begin(), cell.swings.end(),
                     [](const Swing& a, const Swing& b) { return a.size() > b.size(); });
  }

  /// Another storage format where it is one: classes that are stored narrower stay.
  static bool changes(const CandidateSpec& c, const DeploymentSpec& other) {
    const PrecisionMap a = deployed_precision(c.model, c.deployment);
    const PrecisionMap b = deployed_precision(c.model, other);
    return a.attention != b.attention || a.experts != b.experts || a.dense_ffn != b.dense_ffn ||
           a.kv_cache != b.kv_cache;
  }

  std::vector<std::vector<Variant>> variants_of(const RunResult& base,
                                                const std::vector<int>& chosen,
                                                const std::vector<OfferResult>& offers) const {
    std::vector<std::vector<Variant>> found(offers.size());
    const MarketSpec& market = *scenario_.market;
    // Runs all of `candidates`, whose offers stand beside them, and notes what they cost.
    const auto note = [&](std::vector<CandidateSpec> candidates, const std::vector<std::size_t>& of,
                          const std::vector<std::string>& what, const char* assumption,
                          const std::vector<RequestClass>& workload) {
      if (candidates.empty()) return;
      Scenario one = at_mix(scenario_, workload);
      one.candidates = std::move(candidates);
      const RunResult run = run_scenario(one, library_, backend_, strict_, files_);
      MixResult mix;
      mix.run = run;
      note_mix(run, mix);
      for (std::size_t i = 0; i < run.candidates.size(); ++i) {
        const CandidateResult& c = run.candidates[i];
        if (!c.fits || !c.meets_slo) continue;
        found[of[i]].push_back({what[i], assumption, blended(offers[of[i]].offer, mix),
                                c.usd_per_million_tokens.value});
      }
    };
    std::vector<CandidateSpec> same, other;
    std::vector<std::size_t> same_of, other_of;
    std::vector<std::string> other_what;
    for (std::size_t i = 0; i < offers.size(); ++i) {
      if (chosen[i] < 0) continue;
      const auto k = static_cast<std::size_t>(chosen[i]);
      const CandidateSpec c = as_chosen(scenario_.candidates[k], base.candidates[k]);
      same.push_back(c);
      same_of.push_back(i);
      for (const PrecisionChange& change : market.precisions) {
        CandidateSpec varied = c;
        std::string what;
        if (change.weights) {
          varied.deployment.weights = change.weights;
          what = std::string(info(*change.weights).name) + " weights";
        }
        if (change.kv_cache) {
          varied.deployment.kv_cache = change.kv_cache;
          what += (what.empty() ? "" : ", ") + std::string(info(*change.kv_cache).name) + " KV";
        }
        if (!changes(c, varied.deployment)) continue;
        varied.name += " with " + what;
        other.push_back(varied);
        other_of.push_back(i);
        other_what.push_back(what);
      }
    }
    note(other, other_of, other_what, "precision", mix_.workload);
    for (const auto& rate : {mix_.hit_rate_low, mix_.hit_rate_high}) {
      if (!rate) continue;
      note(same, same_of, std::vector<std::string>(same.size(), percent(*rate) + " cached"),
           "hit rate", with_hit_rate(mix_.workload, *rate));
    }
    return found;
  }

  const Scenario& scenario_;
  const MixSpec& mix_;
  Library& library_;
  const kernels::RoutingBackend& backend_;
  bool strict_;
  std::shared_ptr<CurveFiles> files_;
};

/// Bytes of cache and state of a sequence that is generated.
double sequence_bytes(const CandidateResult& c) {
  double sequences = c.batch.value / c.gpus;
  if (c.disaggregation) {
    sequences = c.disaggregation->decode.sequences / c.disaggregation->decode.gpus;
  }
  return sequences > 0 ? (c.memory.kv_cache.value + c.memory.recurrent_state.value) / sequences : 0;
}

ComparisonResult study_ratios(const Scenario& scenario, const std::vector<MixResult>& mixes) {
  ComparisonResult r;
  const auto index_of = [&](const std::string& name) {
    for (std::size_t i = 0; i < scenario.candidates.size(); ++i) {
      if (scenario.candidates[i].name == name) return static_cast<int>(i);
    }
    return 0;
  };
  r.reference = index_of(scenario.compare->reference);
  const auto over = [](double a, double b) { return b > 0 ? a / b : 0; };
  for (const MixResult& mix : mixes) {
    std::vector<CandidateRatio> ratios;
    const CandidateResult& base = mix.run.candidates[static_cast<std::size_t>(r.reference)];
    for (std::size_t i = 0; i < mix.run.candidates.size(); ++i) {
      const CandidateResult& c = mix.run.candidates[i];
      ratios.push_back({static_cast<int>(i),
                        over(c.output_tokens_per_second_per_gpu.value,
                             base.output_tokens_per_second_per_gpu.value),
                        over(c.total_parameters, base.total_parameters),
                        over(sequence_bytes(c), sequence_bytes(base)),
                        over(c.usd_per_million_tokens.value, base.usd_per_million_tokens.value)});
    }
    r.mixes.push_back(ratios);
  }
  for (const RatioClaim& claim : scenario.compare->claims) {
    for (std::size_t m = 0; m < mixes.size(); ++m) {
      if (mixes[m].name != claim.mix) continue;
      const auto i = static_cast<std::size_t>(index_of(claim.candidate));
      const bool throughput = claim.of == RatioClaim::Of::throughput;
      const double found = throughput ? r.mixes[m][i].throughput : r.mixes[m][i].parameters;
      const CandidateResult& c = mixes[m].run.candidates[i];
      const CandidateResult& base = mixes[m].run.candidates[static_cast<std::size_t>(r.reference)];
      const double low = throughput ? over(c.output_tokens_per_second_per_gpu.low,
                                           base.output_tokens_per_second_per_gpu.value)
                                    : found * 0.99;
      const double high = throughput ? over(c.output_tokens_per_second_per_gpu.high,
                                            base.output_tokens_per_second_per_gpu.value)
                                     : found * 1.01;
      const bool inside = low <= claim.times && claim.times <= high;
      r.findings.push_back(
          claim.candidate + " at " + claim.mix + ": " + significant(claim.times, 3) +
          " times the " + (throughput ? "throughput" : "parameters") + " of " + base.name +
          " is claimed; " + significant(found, 3) + (throughput ? " is simulated" : " is counted") +
          (inside ? ", which fits." : ", which does not fit."));
    }
  }
  return r;
}

/// Which assumption moves the margins most, over all cells.
std::vector<std::string> margin_findings(const std::vector<OfferResult>& offers,
                                         const std::vector<MixResult>& mixes) {
  std::map<std::string, int> first;
  int cells = 0, losses = 0;
  const Swing* largest = nullptr;
  std::string where;
  for (const OfferResult& offer : offers) {
    for (std::size_t m = 0; m < offer.cells.size(); ++m) {
      const MarketCell& cell = offer.cells[m];
      if (cell.candidate < 0) continue;
      ++cells;
      losses += cell.margin.value < 0;
      if (cell.swings.empty()) continue;
      ++first[cell.swings.front().assumption];
      if (!largest || cell.swings.front().size() > largest->size()) {
        largest = &cell.swings.front();
        where = offer.offer.model + " by " + offer.offer.seller + " at " + mixes[m].name;
      }
    }
  }
  std::vector<std::string> findings;
  if (cells == 0) return findings;
  const auto most = std::max_element(
      first.begin(), first.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != first.end()) {
    findings.push_back("The assumption that moves the margin most is the " + most->first + ", in " +
                       std::to_string(most->second) + " of " + std::to_string(cells) +
                       " cases; the largest swing is that of " + where + ": " +
                       largest->assumption + ", " + percent(largest->low_margin) + " (" +
                       largest->low_case + ") to " + percent(largest->high_margin) + " (" +
                       largest->high_case + ").");
  }
  findings.push_back(losses == 0 ? "No offer that is simulated is sold below cost."
                                 : std::to_string(losses) + " of " + std::to_string(cells) +
                                       " cases are sold below cost.");
  return findings;
}

}  // namespace

MarketResult run_market(const Scenario& scenario, Library& library,
                        const kernels::RoutingBackend& backend, bool strict) {
  MarketResult r;
  r.scenario = scenario.name;
  r.question = scenario.question;
  r.inputs_digest = scenario.inputs_digest;
  if (scenario.market) {
    r.date = scenario.market->date;
    for (const OfferSpec& offer : scenario.market->offers) {
      const bool candidate =
          std::any_of(scenario.candidates.begin(), scenario.candidates.end(),
                      [&](const CandidateSpec& c) { return c.model.name == offer.model; });
      r.offers.push_back({offer, offer.closed ? "closed" : candidate ? "" : "not a candidate", {}});
    }
  }
  const auto files = std::make_shared<CurveFiles>(library);
  for (const MixSpec& mix : scenario.mixes) {
    const MixStudy study(scenario, mix, library, backend, strict, files);
    r.mixes.push_back(study.run());
    if (scenario.market) study.fill(r.mixes.back(), r.offers);
  }
  if (scenario.market) {
    for (const PriceComparison& c : scenario.market->comparisons)
      r.prices.push_back(study_prices(c, r.mixes));
    for (const SeatChange& seat : scenario.market->seats)
      r.seats.push_back(study_seat(seat, r.mixes));
    for (const PackComparison& pack : scenario.market->packs)
      r.packs.push_back(study_pack(pack, r.mixes));
    r.findings = margin_findings(r.offers, r.mixes);
  }
  if (scenario.compare) r.compare = study_ratios(scenario, r.mixes);
  if (scenario.demand) r.demand = study_demand(scenario, r.mixes, r.offers);
  for (const GrowthSpec& growth : scenario.growth) r.growth.push_back(study_growth(growth));
  return r;
}

}  // namespace tollgate
