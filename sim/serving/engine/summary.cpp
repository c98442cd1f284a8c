#include "sim/serving/engine/summary.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "sim/base/error.h"
#include "sim/base/text.h"

namespace tollgate {
namespace {

constexpr std::size_t warm_up_samples = 1000;

const std::vector<Ticks>& arrivals(const RequestTable& t, const Outcome& o) {
  return o.arrival.empty() ? t.arrival : o.arrival;
}

std::vector<Ticks> sorted(std::vector<Ticks> v) {
  std::sort(v.begin(), v.end());
  return v;
}

/// Sorted moments of arrival, first and last token: counts at any time by bisection.
struct Moments {
  std::vector<Ticks> arrival, first, last;
  Moments(const RequestTable& t, const Outcome& o)
      : arrival(sorted(arrivals(t, o))), first(sorted(o.first)), last(sorted(o.last)) {}

  TimelineSample at(Ticks time) const {
    const auto until = [time](const std::vector<Ticks>& v) {
      return static_cast<std::int64_t>(std::upper_bound(v.begin(), v.end(), time) - v.begin());
    };
    const std::int64_t begun = until(first);
    return {to_seconds(time), until(arrival) - begun, begun - until(last)};
  }
  std::vector<TimelineSample> samples(Ticks from, Ticks to, std::size_t count) const {
    std::vector<TimelineSample> s;
    for (std::size_t i = 0; i < count; ++i) {
      const double share = count > 1 ? static_cast<double>(i) / static_cast<double>(count - 1) : 0;
      s.push_back(at(from + static_cast<Ticks>(share * static_cast<double>(to - from))));
    }
    return s;
  }
};

/// MSER-5: the number of samples to cut off.
std::size_t warm_up(const std::vector<TimelineSample>& samples) {
  std::vector<double> batch;
  for (std::size_t i = 0; i + 5 <= samples.size(); i += 5) {
    double sum = 0;
    for (std::size_t k = i; k < i + 5; ++k) {
      sum += static_cast<double>(samples[k].waiting + samples[k].decoding);
    }
    batch.push_back(sum / 5);
  }
  double sum = 0, squares = 0, best = std::numeric_limits<double>::max();
  std::size_t cut = 0;
  for (std::size_t d = batch.size(); d-- > 0;) {
    sum += batch[d];
    squares += batch[d] * batch[d];
    const auto n = static_cast<double>(batch.size() - d);
    if (d > batch.size() / 2) continue;
    const double error = (squares - sum * sum / n) / (n * n);
    if (error <= best) {
      best = error;
      cut = d;
    }
  }
  return 5 * cut;
}

LatencySummary latencies(std::vector<double>& v) {
  LatencySummary s;
  if (v.empty()) return s;
  std::sort(v.begin(), v.end());
  const auto at = [&](double p) {
    const double x = p * static_cast<double>(v.size() - 1);
    const auto i = static_cast<std::size_t>(x);
    const std::size_t j = std::min(i + 1, v.size() - 1);
    return v[i] + (v[j] - v[i]) * (x - static_cast<double>(i));
  };
  s.mean = std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
  s.p50 = at(0.5);
  s.p90 = at(0.9);
  s.p95 = at(0.95);
  s.p99 = at(0.99);
  s.max = v.back();
  return s;
}

LatencySummary latencies(const GapHistogram& gaps) {
  if (gaps.count() == 0) return {};
  return {gaps.mean(),         gaps.quantile(0.5),  gaps.quantile(0.9),
          gaps.quantile(0.95), gaps.quantile(0.99), to_seconds(gaps.longest())};
}

struct Latencies {
  std::vector<double> ttft, tpot, end_to_end;
  std::int64_t kept = 0;
};

/// Mean number of requests in the system in each third of the samples.
std::array<double, 3> thirds(const std::vector<TimelineSample>& s) {
  std::array<double, 3> third{};
  for (std::size_t i = 0; i < s.size(); ++i) {
    third[std::min<std::size_t>(3 * i / s.size(), 2)] +=
        static_cast<double>(s[i].waiting + s[i].decoding) * 3 / static_cast<double>(s.size());
  }
  return third;
}

/// Whether there are more from third to third, and at last `factor` times what there were in third
/// `from`, by more than three sigma of a Poisson count.
bool grows(const std::array<double, 3>& third, std::size_t from, double factor) {
  return third[1] > third[0] && third[2] > third[1] &&
         third[2] > factor * third[from] + 3 * std::sqrt(third[from] + 1);
}

/// Overloaded: the requests in the system grow from third to third of the window, and in the end
/// there are half as many again as in the beginning; or, over the whole time in which requests
/// arrive, a quarter more than in the middle, because the search for the warm-up may have taken the
/// growth itself for one. Backlogged: more steps than not leave somebody waiting for admission.
void judge(const std::vector<TimelineSample>& window, const std::vector<TimelineSample>& arrivals,
           const EngineCounters& counters, bool closed, ServingSummary& out) {
  const double blocked = counters.steps > 0 ? static_cast<double>(counters.blocked_steps) /
                                                  static_cast<double>(counters.steps)
                                            : 0;
  const std::array<double, 3> recent = thirds(window), all = thirds(arrivals);
  const bool late = grows(recent, 0, 1.5);
  if (!closed && (late || grows(all, 1, 1.25))) {
    const std::array<double, 3>& third = late ? recent : all;
    out.saturation = Saturation::overloaded;
    out.reason = "requests in the system grow from " + fixed(third[0], 0) +
                 " in the first third to " + fixed(third[2], 0) + " in the last";
    return;
  }
  out.saturation = blocked > 0.5 ? Saturation::backlogged : Saturation::stable;
  out.reason = fixed(100 * blocked, 0) + " % of the steps leave somebody waiting for admission";
}

}  // namespace

ServingSummary summarise(const RequestTable& t, const Outcome& o, const SummaryOptions& options) {
  const std::vector<Ticks>& arrival = arrivals(t, o);
  if (t.size() == 0) throw InputError("there are no requests to summarise");
  const bool closed = o.closed_loop;
  const Moments moments(t, o);
  ServingSummary out;
  Ticks from = 0, to = moments.arrival.back();
  if (options.window) {
    from = in_ticks(options.window->first);
    to = in_ticks(options.window->second);
  } else if (to > 0) {
    const auto samples = moments.samples(0, to, warm_up_samples);
    from = static_cast<Ticks>(static_cast<double>(to) * static_cast<double>(warm_up(samples)) /
                              warm_up_samples);
    out.warm_up_detected = true;
  } else {
    to = o.counters.end;  // all at once: the whole run
  }
  std::vector<SloClass> classes = options.classes;
  if (classes.empty()) classes.push_back({"all", 0, 0, 0});
  std::vector<Latencies> by_class(classes.size());
  Latencies all;
  std::int64_t ended = 0;
  double input = 0, output = 0;
  for (std::int32_t r = 0; r < t.size(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    if (o.last[i] > from && o.last[i] <= to) ++ended;
    if (o.first[i] > from && o.first[i] <= to) {
      input += t.input[i];
      output += 1;
    }
    // The tokens of an answer come evenly; one that is longer than the window counts for its part.
    const Ticks begin = std::max(from, o.first[i]), end = std::min(to, o.last[i]);
    if (begin < end) {
      output += (t.output[i] - 1) * static_cast<double>(end - begin) /
                static_cast<double>(o.last[i] - o.first[i]);
    }
    if (arrival[i] < from || arrival[i] > to) continue;
    const auto k = options.class_of.empty() ? 0 : static_cast<std::size_t>(options.class_of[i]);
    const SloClass& promised = classes.at(k);
    const double before = options.ingest + options.ingest_per_token * t.input[i];
    const double ttft = before + to_seconds(o.first[i] - arrival[i]);
    const double total = before + to_seconds(o.last[i] - arrival[i]);
    const double tpot =
        t.output[i] > 1 ? to_seconds(o.last[i] - o.first[i]) / (t.output[i] - 1) : 0;
    const auto keeps = [](double is, double may) { return may <= 0 || is <= may; };
    const bool kept = keeps(ttft, promised.ttft) && keeps(tpot, promised.tpot) &&
                      keeps(total, promised.end_to_end);
    for (Latencies* l : {&all, &by_class[k]}) {
      l->ttft.push_back(ttft);
      // A single token has no time per token after the first.
      if (t.output[i] > 1) l->tpot.push_back(tpot);
      l->end_to_end.push_back(total);
      l->kept += kept;
    }
  }
  if (all.ttft.empty() || to <= from) {
    throw InputError("no request arrives between " + shortest(to_seconds(from)) + " and " +
                     shortest(to_seconds(to)) + " s");
  }
  const double seconds = to_seconds(to - from);
  out.from = to_seconds(from);
  out.to = to_seconds(to);
  out.requests = static_cast<std::int64_t>(all.ttft.size());
  out.requests_per_second = static_cast<double>(ended) / seconds;
  out.input_tokens_per_second = input / seconds;
  out.output_tokens_per_second = output / seconds;
  out.ttft = latencies(all.ttft);
  out.tpot = latencies(all.tpot);
  out.end_to_end = latencies(all.end_to_end);
  out.itl = latencies(o.gaps.between(from, to));
  out.goodput = static_cast<double>(all.kept) / seconds;
  if (o.counters.prompt_tokens > 0) {
    out.cache_hit_rate = static_cast<double>(o.counters.cached_tokens) /
                         static_cast<double>(o.counters.prompt_tokens);
  }
  for (std::size_t k = 0; k < classes.size(); ++k) {
    Latencies& l = by_class[k];
    ClassSummary c;
    c.name = classes[k].name;
    c.requests = static_cast<std::int64_t>(l.ttft.size());
    if (c.requests > 0) c.attained = static_cast<double>(l.kept) / static_cast<double>(c.requests);
    c.goodput = static_cast<double>(l.kept) / seconds;
    c.ttft = latencies(l.ttft);
    c.tpot = latencies(l.tpot);
    c.end_to_end = latencies(l.end_to_end);
    out.classes.push_back(c);
  }
  judge(moments.samples(from, to, warm_up_samples),
        moments.samples(moments.arrival.front(), moments.arrival.back(), warm_up_samples),
        o.counters, closed, out);
  return out;
}

std::vector<TimelineSample> timeline(const RequestTable& t, const Outcome& o, std::size_t count) {
  return Moments(t, o).samples(0, o.counters.end, count);
}

SeedInterval over_seeds(const std::vector<double>& v) {
  // 97.5 % quantiles of Student's t with 1 to 30 degrees of freedom; NIST handbook,
  // table 1.3.6.7.2.
  constexpr double t975[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                             2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                             2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  SeedInterval s;
  if (v.empty()) return s;
  const auto n = static_cast<double>(v.size());
  s.mean = std::accumulate(v.begin(), v.end(), 0.0) / n;
  if (v.size() < 2) return s;
  double squares = 0;
  for (double x : v) squares += (x - s.mean) * (x - s.mean);
  const double t = v.size() <= 31 ? t975[v.size() - 2] : 1.96;
  s.half_width = t * std::sqrt(squares / (n - 1) / n);
  return s;
}

std::vector<ServingSummary> simulate_seeds(const ServingSystem& system,
                                           const std::function<RequestTable(std::uint64_t)>& draw,
                                           std::uint64_t first_seed, int seeds,
                                           const SummaryOptions& options) {
  if (seeds < 1) throw InputError("a simulation needs at least one seed");
  std::vector<ServingSummary> summaries(static_cast<std::size_t>(seeds));
  tbb::parallel_for(0, seeds, [&](int i) {
    const RequestTable t = draw(first_seed + static_cast<std::uint64_t>(i));
    summaries[static_cast<std::size_t>(i)] = summarise(t, simulate(system, t), options);
  });
  return summaries;
}

}  // namespace tollgate
