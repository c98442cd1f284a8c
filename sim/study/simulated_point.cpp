#include "sim/study/simulated_point.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace tollgate {
namespace {

constexpr double resolution = 0.01;  // of the number of users
constexpr int most_trials = 24;
constexpr double most_users_per_request = 100;

/// The largest value in [1, most] that is good, starting from a guess; 0 if not even 1 is.
template <class Good>
double largest_near(double guess, double most, double stride, const Good& good) {
  double low = 0, high = most + 1;  // low is good, high is not
  double x = std::clamp(std::round(guess), 1.0, most);
  for (int i = 0; i < most_trials && high - low > 1 && high - low > resolution * high; ++i) {
    (good(x) ? low : high) = x;
    if (low == 0) {
      if (high <= 1) return 0;
      x = std::max(1.0, std::floor(high * 0.8));
    } else if (high > most) {
      x = std::min(most, std::ceil(low * stride));
    } else {
      x = std::floor((low + high) / 2);
    }
  }
  return low;
}

/// Requests in the system on average, by Little's law.
double in_flight(const LoadTrial& t) {
  double sum = 0;
  for (const ServingSummary& s : t.seeds) sum += s.requests_per_second * s.end_to_end.mean;
  return sum / static_cast<double>(t.seeds.size());
}

SeedInterval over(const LoadTrial& t, const std::function<double(std::size_t)>& value) {
  std::vector<double> values;
  for (std::size_t i = 0; i < t.seeds.size(); ++i) values.push_back(value(i));
  return over_seeds(values);
}

SimulatedLatency latency(const LoadTrial& t,
                         const std::function<const LatencySummary&(std::size_t)>& of) {
  SimulatedLatency l;
  l.mean = over(t, [&](std::size_t i) { return of(i).mean; });
  l.p50 = over(t, [&](std::size_t i) { return of(i).p50; });
  l.p90 = over(t, [&](std::size_t i) { return of(i).p90; });
  l.p95 = over(t, [&](std::size_t i) { return of(i).p95; });
  l.p99 = over(t, [&](std::size_t i) { return of(i).p99; });
  l.max = over(t, [&](std::size_t i) { return of(i).max; });
  return l;
}

SimulatedResult result_of(const LoadTrial& t, int replicas) {
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
  const auto summary = [&](LatencySummary ServingSummary::*member) {
    return latency(
        t, [&, member](std::size_t i) -> const LatencySummary& { return t.seeds[i].*member; });
  };
  r.ttft = summary(&ServingSummary::ttft);
  r.tpot = summary(&ServingSummary::tpot);
  r.itl = summary(&ServingSummary::itl);
  r.end_to_end = summary(&ServingSummary::end_to_end);
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
    const auto of = [&](LatencySummary ClassSummary::*member) {
      return latency(t, [&, member, k](std::size_t i) -> const LatencySummary& {
        return t.seeds[i].classes[k].*member;
      });
    };
    c.requests_per_second = over(t, [&](std::size_t i) {
      const double seconds = t.seeds[i].to - t.seeds[i].from;
      return static_cast<double>(t.seeds[i].classes[k].requests) / seconds;
    });
    c.attained = over(t, [&](std::size_t i) { return t.seeds[i].classes[k].attained; });
    c.ttft = of(&ClassSummary::ttft);
    c.tpot = of(&ClassSummary::tpot);
    c.end_to_end = of(&ClassSummary::end_to_end);
    r.classes.push_back(c);
  }
  return r;
}

/// The target that a trial which keeps both is closer to.
std::string nearest_target(const SloSpec& slo, const LoadTrial& t) {
  double ttft = 0, tpot = 0;
  for (const ServingSummary& s : t.seeds) {
    ttft += s.ttft.mean / static_cast<double>(t.seeds.size());
    tpot += s.tpot.mean / static_cast<double>(t.seeds.size());
  }
  return slo.ttft > 0 && (slo.tpot == 0 || ttft * slo.tpot > tpot * slo.ttft) ? "ttft" : "tpot";
}

/// What the report wants to know of the first draw; `seconds` is about how long that is.
std::shared_ptr<Recording> recording_for(const SimulationSpec& simulation, double seconds) {
  auto recording = std::make_shared<Recording>();
  if (simulation.timeline > 0 && std::isfinite(seconds)) {
    recording->interval = std::max<Ticks>(1, in_ticks(seconds / simulation.timeline));
  }
  if (simulation.record) recording->steps = simulation.recorded_steps;
  return recording;
}

void keep_recording(const std::shared_ptr<const Recording>& recording, SimulatedResult& r) {
  if (recording->interval > 0) r.timeline = total_load(*recording);
  r.interval = to_seconds(recording->interval);
  for (const ReplicaRecord& replica : recording->replicas) r.cache_blocks += replica.total_blocks;
  if (recording->steps > 0) r.recording = recording;
}

}  // namespace

SimulatedPoint find_simulated_point(const SimulatedReplica& replica, const SimulationQuestion& q,
                                    const OperatingPoint& start, double largest_batch) {
  const LoadSimulator simulator(replica, q);
  const int seeds = q.simulation.seeds;
  const bool thinks = has_conversations(*q.workload);
  SimulatedPoint out{start, {}};
  OperatingPoint& p = out.point;
  const SteadyState& closed_form = start.state;
  LoadTrial trial;
  int together = 1;
  const auto final_run = [&](const LoadSpec& load, int replicas, double in_flight) {
    const auto requests = static_cast<double>(simulator.requests(in_flight));
    const auto recording =
        recording_for(q.simulation, requests / (closed_form.requests_per_second * replicas));
    trial = simulator.run(load, replicas, in_flight, seeds, recording.get());
    return recording;
  };
  std::shared_ptr<const Recording> recording;
  if (q.load.kind == LoadKind::saturate) {
    // Users who think hold no cache: there may be more of them than requests.
    const double room = std::max(1.0, std::floor(largest_batch));
    const double most = thinks ? most_users_per_request * room : room;
    const double users =
        largest_near(closed_form.in_flight, most, thinks ? 1.6 : 1.25, [&](double n) {
          const LoadTrial t = simulator.run(simulator.users(n), 1, n, seeds);
          return simulator.keeps(t) && (!thinks || in_flight(t) <= room);
        });
    p.state.in_flight = std::max(1.0, users);
    recording = final_run(simulator.users(p.state.in_flight), 1, p.state.in_flight);
    p.meets_slo = users >= 1;
    if (users > 0 && users < most && !thinks && p.limited_by != "tpot" && p.limited_by != "ttft") {
      p.limited_by = nearest_target(q.slo, trial);
    }
  } else if (q.load.kind == LoadKind::concurrency) {
    p.state.in_flight = q.load.concurrency;
    recording = final_run(q.load, 1, q.load.concurrency);
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
    const auto try_on = [&](double replicas) {
      int beside = 1;
      const LoadSpec load = part(replicas, beside);
      return simulator.run(load, beside, std::max(1.0, closed_form.in_flight) * beside, seeds);
    };
    const double most = 4.0 * start.replicas + 4;
    double low = 0, high = most + 1, n = start.replicas;  // low is too few, high is enough
    for (int i = 0; i < most_trials && high - low > 1; ++i) {
      (simulator.keeps(try_on(n)) ? high : low) = n;
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
    const LoadSpec load = part(p.replicas, together);
    recording = final_run(load, together, std::max(1.0, closed_form.in_flight) * together);
    p.meets_slo = simulator.keeps(trial);
    if (p.meets_slo) p.limited_by = "load";
  }
  SimulatedResult& r = out.result;
  r = result_of(trial, together);
  keep_recording(recording, r);
  r.analytic_requests_per_second = closed_form.requests_per_second;
  r.analytic_ttft = closed_form.ttft;
  r.analytic_tpot = closed_form.tpot;
  p.state.requests_per_second = r.output_tokens_per_second.mean / q.output;
  p.state.ttft = r.ttft.mean.mean;
  p.state.tpot = r.tpot.mean.mean;
  p.state.end_to_end = r.end_to_end.mean.mean;
  if (q.load.kind != LoadKind::saturate || thinks) {
    p.state.in_flight = r.requests_per_second.mean * p.state.end_to_end;
  }
  return out;
}

}  // namespace tollgate
