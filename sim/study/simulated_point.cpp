#include "sim/study/simulated_point.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "sim/serving/workload/traffic_generator.h"

namespace tollgate {
namespace {

constexpr double resolution = 0.01;  // of the number of users
constexpr int most_trials = 24;
constexpr std::int64_t turns = 40, fewest_requests = 4000;

/// One simulation: draws of the same load on the same number of replicas.
struct Trial {
  std::vector<ServingSummary> seeds;
  std::vector<EngineCounters> counters;
  std::vector<std::int64_t> cut;
  std::vector<std::int64_t> requests;
  std::vector<TimelineSample> timeline;
};

Router router_of(RouterKind kind) {
  switch (kind) {
    case RouterKind::round_robin:
      return Router::round_robin;
    case RouterKind::least_loaded:
      return Router::least_loaded;
    case RouterKind::prefix_aware:
      break;
  }
  return Router::prefix_aware;
}

class Simulator {
 public:
  Simulator(const SimulatedService& service, const SimulationQuestion& question)
      : service_(service), q_(question) {
    const SchedulerConfig& s = service.scheduler();
    // A block is kept for the tokens in flight.
    context_ = std::min(s.context, std::max<std::int64_t>(2, (s.blocks - 2) * s.block_tokens));
  }

  /// `in_flight`: about how many requests the replicas hold together, for the length of the run.
  Trial run(LoadSpec load, int replicas, double in_flight, int seeds) const {
    Trial trial;
    const auto n = static_cast<std::size_t>(seeds);
    trial.seeds.resize(n);
    trial.counters.resize(n);
    trial.cut.resize(n);
    trial.requests.resize(n);
    tbb::parallel_for(std::size_t{0}, n, [&](std::size_t i) {
      TrafficOptions options;
      options.seed = q_.seed + i;
      options.context = context_;
      options.requests = q_.simulation.requests;
      if (options.requests == 0) {
        options.requests =
            std::max(fewest_requests, turns * static_cast<std::int64_t>(std::ceil(in_flight)));
      }
      GeneratedTraffic traffic = generate_traffic(*q_.workload, load, options);
      delay_followers(traffic.table);
      ServingSystem system;
      system.engines.scheduler = service_.scheduler();
      system.engines.timer = &service_.timer();
      system.engines.replicas = replicas;
      system.router = router_of(q_.simulation.router);
      system.closed_loop = traffic.closed_loop;
      if (system.closed_loop) system.closed_loop->think_time += ingest();
      const Outcome outcome = simulate(system, traffic.table);
      SummaryOptions summary;
      summary.classes = traffic.classes;
      summary.class_of = traffic.class_of;
      if (system.closed_loop) {
        // The number of requests in it is constant from the start, which tells nothing.
        const std::size_t settled = outcome.arrival.size() / 4;
        summary.window = {to_seconds(outcome.arrival[settled]), to_seconds(outcome.arrival.back())};
      }
      trial.seeds[i] = summarise(traffic.table, outcome, summary);
      trial.counters[i] = outcome.counters;
      trial.cut[i] = traffic.cut;
      trial.requests[i] = traffic.table.size();
      if (i == 0 && q_.simulation.timeline > 0 && seeds == q_.simulation.seeds) {
        trial.timeline =
            timeline(traffic.table, outcome, static_cast<std::size_t>(q_.simulation.timeline));
      }
    });
    return trial;
  }

  bool keeps(const Trial& t) const {
    double ttft = service_.ingest(), tpot = 0;
    for (const ServingSummary& s : t.seeds) {
      ttft += s.ttft.mean / static_cast<double>(t.seeds.size());
      tpot += s.tpot.mean / static_cast<double>(t.seeds.size());
      if (s.saturation == Saturation::overloaded && q_.load.kind != LoadKind::saturate)
        return false;
    }
    return (q_.slo.ttft == 0 || ttft <= q_.slo.ttft) && (q_.slo.tpot == 0 || tpot <= q_.slo.tpot);
  }

  /// The engine's clock begins when its scheduler has a request: what comes before passes between
  /// an answer and the next request.
  Ticks ingest() const {
    return std::llround(service_.ingest() * static_cast<double>(ticks_per_second));
  }
  void delay_followers(RequestTable& table) const {
    std::vector<bool> follows(table.input.size());
    for (const std::int32_t r : table.successors) follows[static_cast<std::size_t>(r)] = true;
    for (std::size_t r = 0; r < follows.size(); ++r) {
      if (follows[r]) table.arrival[r] += ingest();
    }
  }

  LoadSpec users(double n) const {
    LoadSpec load = q_.load;
    load.kind = LoadKind::concurrency;
    load.concurrency = n;
    return load;
  }

 private:
  const SimulatedService& service_;
  const SimulationQuestion& q_;
  std::int64_t context_;
};

/// The largest value in [1, most] that is good, starting from a guess; 0 if not even 1 is.
template <class Good>
double largest_near(double guess, double most, double step, const Good& good) {
  double low = 0, high = most + 1;  // low is good, high is not
  double x = std::clamp(std::round(guess), 1.0, most);
  for (int i = 0; i < most_trials && high - low > 1 && high - low > step * high; ++i) {
    (good(x) ? low : high) = x;
    if (low == 0) {
      if (high <= 1) return 0;
      x = std::max(1.0, std::floor(high * 0.8));
    } else if (high > most) {
      x = std::min(most, std::ceil(low * 1.25));
    } else {
      x = std::floor((low + high) / 2);
    }
  }
  return low;
}

SeedInterval over(const Trial& t, const std::function<double(std::size_t)>& value) {
  std::vector<double> values;
  for (std::size_t i = 0; i < t.seeds.size(); ++i) values.push_back(value(i));
  return over_seeds(values);
}

SimulatedLatency latency(const Trial& t,
                         const std::function<const LatencySummary&(std::size_t)>& of, double add) {
  SimulatedLatency l;
  l.mean = over(t, [&](std::size_t i) { return of(i).mean + add; });
  l.p50 = over(t, [&](std::size_t i) { return of(i).p50 + add; });
  l.p90 = over(t, [&](std::size_t i) { return of(i).p90 + add; });
  l.p95 = over(t, [&](std::size_t i) { return of(i).p95 + add; });
  l.p99 = over(t, [&](std::size_t i) { return of(i).p99 + add; });
  return l;
}

SimulatedResult result_of(const Trial& t, int replicas, double ingest) {
  SimulatedResult r;
  r.seeds = static_cast<int>(t.seeds.size());
  r.requests = t.requests[0];
  r.replicas = replicas;
  r.warm_up = t.seeds[0].from;
  r.window = t.seeds[0].to - t.seeds[0].from;
  const auto rate = [&](double ServingSummary::*member) {
    return over(t, [&](std::size_t i) { return t.seeds[i].*member / replicas; });
  };
  r.requests_per_second = rate(&ServingSummary::requests_per_second);
  r.input_tokens_per_second = rate(&ServingSummary::input_tokens_per_second);
  r.output_tokens_per_second = rate(&ServingSummary::output_tokens_per_second);
  r.goodput = rate(&ServingSummary::goodput);
  const auto summary = [&](LatencySummary ServingSummary::*member, double add) {
    return latency(
        t, [&, member](std::size_t i) -> const LatencySummary& { return t.seeds[i].*member; }, add);
  };
  r.ttft = summary(&ServingSummary::ttft, ingest);
  r.tpot = summary(&ServingSummary::tpot, 0);
  r.end_to_end = summary(&ServingSummary::end_to_end, ingest);
  r.hit_rate = over(t, [&](std::size_t i) { return t.seeds[i].cache_hit_rate; });
  r.preempted = over(t, [&](std::size_t i) {
    return static_cast<double>(t.counters[i].preemptions) / static_cast<double>(t.requests[i]);
  });
  r.attained = over(t, [&](std::size_t i) {
    double kept = 0, all = 0;
    for (const ClassSummary& c : t.seeds[i].classes) {
      kept += c.attained * static_cast<double>(c.requests);
      all += static_cast<double>(c.requests);
    }
    return all > 0 ? kept / all : 0;
  });
  r.cut = t.cut[0];
  for (const ServingSummary& s : t.seeds) {
    if (r.reason.empty() || s.saturation > r.saturation) {
      r.saturation = s.saturation;
      r.reason = s.reason;
    }
  }
  for (std::size_t k = 0; k < t.seeds[0].classes.size(); ++k) {
    SimulatedClass c;
    c.name = t.seeds[0].classes[k].name;
    const auto of = [&](LatencySummary ClassSummary::*member, double add) {
      return latency(
          t,
          [&, member, k](std::size_t i) -> const LatencySummary& {
            return t.seeds[i].classes[k].*member;
          },
          add);
    };
    c.requests_per_second = over(t, [&](std::size_t i) {
      const double seconds = t.seeds[i].to - t.seeds[i].from;
      return static_cast<double>(t.seeds[i].classes[k].requests) / seconds;
    });
    c.attained = over(t, [&](std::size_t i) { return t.seeds[i].classes[k].attained; });
    c.ttft = of(&ClassSummary::ttft, ingest);
    c.tpot = of(&ClassSummary::tpot, 0);
    c.end_to_end = of(&ClassSummary::end_to_end, ingest);
    r.classes.push_back(c);
  }
  r.timeline = t.timeline;
  return r;
}

}  // namespace

SimulatedPoint find_simulated_point(const SimulatedService& service, const SimulationQuestion& q,
                                    const OperatingPoint& start, double largest_batch) {
  const Simulator simulator(service, q);
  const int seeds = q.simulation.seeds;
  SimulatedPoint out{start, {}};
  OperatingPoint& p = out.point;
  const SteadyState& closed_form = start.state;
  Trial trial;
  int together = 1;
  if (q.load.kind == LoadKind::saturate) {
    const double most = std::max(1.0, std::floor(largest_batch));
    const auto kept_by = [&](int draws) {
      return [&, draws](double n) {
        trial = simulator.run(simulator.users(n), 1, n, draws);
        return simulator.keeps(trial);
      };
    };
    double users = largest_near(closed_form.in_flight, most, resolution, kept_by(1));
    // One draw searches; what is reported keeps the target over all of them.
    if (users > 0 && seeds > 1) users = largest_near(users, users, resolution, kept_by(seeds));
    p.state.in_flight = std::max(1.0, users);
    trial = simulator.run(simulator.users(p.state.in_flight), 1, p.state.in_flight, seeds);
    p.meets_slo = users >= 1;
    if (users > 0 && users < most && p.limited_by != "tpot" && p.limited_by != "ttft") {
      p.limited_by = q.slo.tpot > 0 ? "tpot" : "ttft";
    }
  } else if (q.load.kind == LoadKind::concurrency) {
    p.state.in_flight = q.load.concurrency;
    trial = simulator.run(q.load, 1, q.load.concurrency, seeds);
    p.meets_slo = simulator.keeps(trial);
  } else {
    // Of a larger service a part is simulated, with its part of the arrivals.
    const auto part = [&](double replicas, int& beside) {
      const bool whole = q.load.kind == LoadKind::trace;
      beside = static_cast<int>(whole ? replicas
                                      : std::min<double>(replicas, q.simulation.most_replicas));
      LoadSpec load = q.load;
      load.rate *= beside / replicas;
      return load;
    };
    const auto try_on = [&](double replicas, int n) {
      int beside = 1;
      const LoadSpec load = part(replicas, beside);
      return simulator.run(load, beside, std::max(1.0, closed_form.in_flight) * beside, n);
    };
    // The fewest replicas: the largest -n.
    const double most = 4.0 * start.replicas + 4;
    double low = 0, high = most + 1, n = start.replicas;  // low is too few, high is enough
    for (int i = 0; i < most_trials && high - low > 1; ++i) {
      (simulator.keeps(try_on(n, 1)) ? high : low) = n;
      if (low == 0 && n > 1) {
        n = std::max(1.0, std::floor(0.9 * n));
      } else if (high > most) {
        n = std::min(most, std::ceil(1.1 * n));
        if (n <= low) break;
      } else {
        n = std::floor((low + high) / 2);
      }
    }
    p.replicas = static_cast<int>(high > most ? most : high);
    part(p.replicas, together);
    trial = try_on(p.replicas, seeds);
    p.meets_slo = simulator.keeps(trial);
    if (p.meets_slo) p.limited_by = "load";
  }
  SimulatedResult& r = out.result;
  r = result_of(trial, together, service.ingest());
  r.analytic_requests_per_second = closed_form.requests_per_second;
  r.analytic_ttft = closed_form.ttft;
  r.analytic_tpot = closed_form.tpot;
  p.state.requests_per_second = r.output_tokens_per_second.mean / q.output;
  p.state.ttft = r.ttft.mean.mean;
  p.state.tpot = r.tpot.mean.mean;
  p.state.end_to_end = r.end_to_end.mean.mean;
  const bool thinking = std::any_of(q.workload->begin(), q.workload->end(),
                                    [](const RequestClass& c) { return c.session.has_value(); });
  if (q.load.kind != LoadKind::saturate || thinking) {
    p.state.in_flight = r.requests_per_second.mean * p.state.end_to_end;
  }
  return out;
}

}  // namespace tollgate
