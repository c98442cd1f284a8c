#include "sim/serving/workload/traffic_generator.h"

#include <algorithm>
#include <string>

#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/serving/workload/arrivals.h"
#include "sim/serving/workload/lengths.h"
#include "sim/serving/workload/sessions.h"
#include "sim/serving/workload/trace_reader.h"

namespace tollgate {
namespace {

constexpr std::int64_t most_requests = std::int64_t{1} << 30;

/// One class, ready to be drawn from.
struct ClassSource {
  PairSampler lengths;
  double hit_rate;
  std::int8_t priority;
  std::optional<ConversationSampler> conversations;
  std::int32_t system_stream = -1;  ///< what all its conversations begin with

  ClassSource(const RequestClass& c, std::int64_t context)
      : lengths(c.input, c.output, c.correlation),
        hit_rate(c.prefix_hit_rate),
        priority(static_cast<std::int8_t>(c.priority)) {
    if (c.session) conversations.emplace(c, context);
  }
  double requests_per_start() const { return conversations ? conversations->mean_requests() : 1; }
};

class Generator {
 public:
  Generator(const std::vector<RequestClass>& classes, const TrafficOptions& options)
      : options_(options), wanted_(options.requests > 0 ? options.requests : most_requests) {
    sources_.reserve(classes.size());
    double all = 0, starts = 0;
    for (const RequestClass& c : classes) {
      const ClassSource& source = sources_.emplace_back(c, options.context);
      out_.classes.push_back({c.name, c.slo.ttft, c.slo.tpot, c.slo.end_to_end});
      all += c.weight;
      starts += c.weight / source.requests_per_start();
      has_priority_ |= c.priority != 0;
      shares_ |= c.session.has_value();
      states_ |= !c.session && c.prefix_hit_rate > 0;
      waits_ |= c.session.has_value();
    }
    starts_per_request_ = starts / all;
    double below = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      below += classes[i].weight / sources_[i].requests_per_start() / starts;
      up_to_.push_back(static_cast<std::uint64_t>(below * 0x1p32));
      if (classes[i].session && classes[i].session->system_prompt > 0) {
        sources_[i].system_stream = static_cast<std::int32_t>(out_.table.streams.size());
        out_.table.streams.push_back({-1, 0});
      }
    }
    up_to_.back() = std::uint64_t{1} << 32;
  }

  double starts_per_request() const { return starts_per_request_; }

  /// `next` gives the times at which requests and conversations begin.
  template <class Next>
  GeneratedTraffic run(Next next) {
    const double last = options_.duration > 0
                            ? options_.duration * static_cast<double>(ticks_per_second)
                            : static_cast<double>(never);
    if (options_.requests > 0) reserve(static_cast<std::size_t>(options_.requests));
    if (waits_) out_.table.successors_begin.push_back(0);
    for (std::uint32_t start = 0; out_.table.size() < wanted_; ++start) {
      if (start == most_requests) {
        throw InputError("more than 2^30 requests would be drawn; shorten the duration");
      }
      const Ticks at = next();
      if (static_cast<double>(at) >= last) break;
      const std::size_t c = class_of(start);
      if (sources_[c].conversations) {
        add_conversation(c, start, at);
      } else {
        add_request(c, start, at);
      }
    }
    return std::move(out_);
  }

 private:
  void reserve(std::size_t n) {
    out_.table.reserve(n);
    if (sources_.size() > 1) out_.class_of.reserve(n);
    if (has_priority_) out_.table.priority.reserve(n);
    if (shares_) {
      out_.table.stream.reserve(n);
      out_.table.shared.reserve(n);
    }
    if (states_) out_.table.cached.reserve(n);
    if (waits_) {
      out_.table.successors_begin.reserve(n + 1);
      out_.table.successors.reserve(n);
    }
  }

  std::size_t class_of(std::uint32_t start) {
    if (sources_.size() == 1) return 0;
    if (start % 4 == 0) words_ = draw(options_.seed, Draw::class_of, start / 4);
    const std::uint32_t word = words_.w[start % 4];
    std::size_t c = 0;
    while (word >= up_to_[c]) ++c;
    return c;
  }

  void add(std::size_t c, Ticks arrival, std::int64_t input, std::int64_t output,
           std::int32_t stream, std::int64_t shared, std::int64_t cached) {
    RequestTable& t = out_.table;
    t.arrival.push_back(arrival);
    t.input.push_back(static_cast<std::int32_t>(input));
    t.output.push_back(static_cast<std::int32_t>(output));
    if (sources_.size() > 1) out_.class_of.push_back(static_cast<std::int8_t>(c));
    if (has_priority_) t.priority.push_back(sources_[c].priority);
    if (shares_) {
      t.stream.push_back(stream);
      t.shared.push_back(static_cast<std::int32_t>(shared));
    }
    if (states_) t.cached.push_back(static_cast<std::int32_t>(cached));
  }

  void add_request(std::size_t c, std::uint32_t start, Ticks at) {
    const ClassSource& source = sources_[c];
    const kernels::Words4 words = draw(options_.seed, Draw::lengths, start);
    const auto lengths = source.lengths.at(words.w[0], words.w[1]);
    std::int64_t input = lengths.first, output = lengths.second;
    if (input + output > options_.context) {
      output = std::min(output, options_.context - 1);
      input = std::min(input, options_.context - output);
      ++out_.cut;
    }
    add(c, at, input, output, -1, 0,
        static_cast<std::int64_t>(source.hit_rate * static_cast<double>(input)));
    if (waits_) {
      out_.table.successors_begin.push_back(
          static_cast<std::int32_t>(out_.table.successors.size()));
    }
  }

  void add_conversation(std::size_t c, std::uint32_t start, Ticks at) {
    const ClassSource& source = sources_[c];
    source.conversations->draw_into(drawn_, options_.seed, start);
    out_.cut += drawn_.cut;
    out_.ended_early += drawn_.ended_early;
    RequestTable& t = out_.table;
    const std::int32_t first = t.size();
    const auto room = static_cast<std::size_t>(wanted_ - first);
    const auto count = static_cast<std::int32_t>(std::min(room, drawn_.requests.size()));

    const auto first_stream = static_cast<std::int32_t>(t.streams.size());
    for (const Conversation::Stream& s : drawn_.streams) {
      const std::int32_t parent = s.parent < 0 ? source.system_stream : first_stream + s.parent;
      t.streams.push_back({parent, parent < 0 ? 0 : s.branch});
    }
    for (std::int32_t i = 0; i < count; ++i) {
      const Conversation::Request& r = drawn_.requests[static_cast<std::size_t>(i)];
      add(c, i == 0 ? at : r.pause, r.input, r.output, first_stream + r.stream,
          std::int64_t{r.input} + r.output, 0);
    }
    std::stable_sort(drawn_.waits.begin(), drawn_.waits.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::size_t w = 0;
    for (std::int32_t i = 0; i < count; ++i) {
      for (; w < drawn_.waits.size() && drawn_.waits[w].first == i; ++w) {
        if (drawn_.waits[w].second < count) t.successors.push_back(first + drawn_.waits[w].second);
      }
      t.successors_begin.push_back(static_cast<std::int32_t>(t.successors.size()));
    }
  }

  const TrafficOptions& options_;
  std::int64_t wanted_;
  std::vector<ClassSource> sources_;
  std::vector<std::uint64_t> up_to_;  ///< 2^32 x share of starts up to a class
  double starts_per_request_ = 1;
  bool has_priority_ = false, shares_ = false, states_ = false, waits_ = false;
  kernels::Words4 words_{};
  Conversation drawn_;
  GeneratedTraffic out_;
};

GeneratedTraffic replay(const std::vector<RequestClass>& classes, const LoadSpec& load,
                        const TrafficOptions& options) {
  TraceOptions trace;
  trace.format = load.format;
  trace.speed = load.speed;
  trace.context = options.context;
  trace.requests = options.requests;
  trace.duration = options.duration;
  GeneratedTraffic out;
  out.table = read_trace(load.trace, trace).table;
  const double seconds = to_seconds(out.table.arrival.back());
  if (seconds > 0) out.rate = static_cast<double>(out.table.size()) / seconds;
  if (classes.empty()) {
    out.classes.push_back({trace_name(load.trace), 0, 0, 0});
  } else {
    const RequestClass& c = classes.front();
    out.classes.push_back({c.name, c.slo.ttft, c.slo.tpot, c.slo.end_to_end});
  }
  return out;
}

}  // namespace

GeneratedTraffic generate_traffic(const std::vector<RequestClass>& classes, const LoadSpec& load,
                                  const TrafficOptions& options) {
  const auto wrong = [&](const char* key, const std::string& sentence) {
    throw InputError(place_of(load.places, key), sentence);
  };
  if (load.kind == LoadKind::trace) return replay(classes, load, options);
  if (classes.empty()) wrong("", "the workload has no request classes");
  if (classes.size() > 127) wrong("", "the workload has more than 127 request classes");
  if (options.requests > most_requests) wrong("", "at most 2^30 requests can be drawn");
  if (load.kind == LoadKind::saturate) {
    wrong("kind", "requests need a rate, a concurrency or a trace; 'saturate' has no arrivals");
  }
  if (options.requests <= 0 && (options.duration <= 0 || load.kind == LoadKind::concurrency)) {
    wrong("", "the number of requests to draw is missing");
  }

  Generator generator(classes, options);
  if (load.kind == LoadKind::concurrency) {
    if (load.concurrency < 1) wrong("concurrency", "a closed loop needs at least one user");
    GeneratedTraffic traffic = generator.run([] { return Ticks{0}; });
    traffic.closed_loop = {
        static_cast<std::int64_t>(load.concurrency + 0.5),
        static_cast<Ticks>(load.think_time * static_cast<double>(ticks_per_second))};
    return traffic;
  }
  if (!(load.rate > 0)) wrong("rate", "requests need a rate above zero");
  ArrivalProcess arrivals(load.arrivals, load.rate * generator.starts_per_request(), options.seed);
  GeneratedTraffic traffic = generator.run([&] { return arrivals.next(); });
  traffic.rate = load.rate;
  return traffic;
}

}  // namespace tollgate
