#include "sim/report/perfetto_trace.h"

#include <array>
#include <cstdio>
#include <ostream>
#include <string>

namespace tollgate {
namespace {

/// Picoseconds as microseconds.
std::string micro(Ticks t) {
  constexpr Ticks per_us = ticks_per_second / 1'000'000;
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%lld.%06lld", static_cast<long long>(t / per_us),
                static_cast<long long>(t % per_us));
  return text.data();
}

std::string number(std::int64_t n) { return std::to_string(n); }

const char* what(const RankBatch& b) {
  if (b.prefill_tokens > 0) return b.decode_sequences > 0 ? "prefill and decode" : "prefill";
  return b.decode_sequences > 0 ? "decode" : "idle";
}

const char* what(StepEvent::Kind kind) {
  switch (kind) {
    case StepEvent::Kind::admitted:
      return "admitted";
    case StepEvent::Kind::preempted:
      return "preempted";
    case StepEvent::Kind::finished:
      break;
  }
  return "finished";
}

class Writer {
 public:
  explicit Writer(std::ostream& out) : out_(out) {
    out_ << "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  }
  ~Writer() { out_ << "\n]}\n"; }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void name(const char* what, std::size_t pid, std::size_t tid, const std::string& name) {
    event(std::string("\"ph\":\"M\",\"name\":\"") + what + "\"", pid, tid);
    out_ << ",\"args\":{\"name\":\"" << name << "\"}}";
  }
  void slice(const StepRecord& s, const RankBatch& b, std::size_t pid, std::size_t tid) {
    event(std::string("\"ph\":\"X\",\"name\":\"") + what(b) + "\",\"ts\":" + micro(s.start) +
              ",\"dur\":" + micro(s.duration),
          pid, tid);
    out_ << ",\"args\":{\"prompt tokens\":" << b.prefill_tokens
         << ",\"prompts\":" << b.prefill_requests << ",\"prompts finished\":" << b.prompts_finished
         << ",\"decoding\":" << b.decode_sequences << ",\"decode context\":" << b.decode_context
         << "}}";
  }
  void instant(const StepEvent& e, Ticks at, std::size_t pid) {
    event(std::string("\"ph\":\"i\",\"s\":\"t\",\"name\":\"") + what(e.kind) +
              "\",\"ts\":" + micro(at),
          pid, static_cast<std::size_t>(e.rank));
    out_ << ",\"args\":{\"request\":" << e.request << "}}";
  }
  void counter(const char* name, Ticks at, std::size_t pid, const std::string& values) {
    event(std::string("\"ph\":\"C\",\"name\":\"") + name + "\",\"ts\":" + micro(at), pid, 0);
    out_ << ",\"args\":{" << values << "}}";
  }

 private:
  void event(const std::string& head, std::size_t pid, std::size_t tid) {
    out_ << (first_ ? "\n{" : ",\n{") << head << ",\"pid\":" << pid << ",\"tid\":" << tid;
    first_ = false;
  }

  std::ostream& out_;
  bool first_ = true;
};

template <class State>
void write_state(Writer& w, const State& s, Ticks at, std::size_t pid) {
  w.counter("sequences", at, pid,
            "\"running\":" + number(s.running) + ",\"waiting\":" + number(s.waiting));
  w.counter("cache blocks", at, pid, "\"held\":" + number(s.blocks));
}

/// Tokens per second over an interval, to the next integer below.
std::int64_t rate(std::int64_t tokens, Ticks interval) {
  return static_cast<std::int64_t>(static_cast<double>(tokens) / to_seconds(interval));
}

}  // namespace

void write_perfetto_trace(std::ostream& out, const Recording& recording) {
  Writer w(out);
  for (std::size_t pid = 0; pid < recording.replicas.size(); ++pid) {
    const ReplicaRecord& r = recording.replicas[pid];
    w.name("process_name", pid, 0,
           (r.decode_pool ? "decode engine " : "engine ") + std::to_string(r.replica));
    const std::size_t ranks = r.steps.empty() ? 0 : r.steps[0].ranks.size();
    for (std::size_t k = 0; k < ranks; ++k) {
      w.name("thread_name", pid, k, "rank " + std::to_string(k));
    }
    for (const StepRecord& s : r.steps) {
      for (std::size_t k = 0; k < s.ranks.size(); ++k) w.slice(s, s.ranks[k], pid, k);
      for (const StepEvent& e : s.events) {
        const bool at_end = e.kind == StepEvent::Kind::finished;
        w.instant(e, at_end ? s.start + s.duration : s.start, pid);
      }
      if (r.samples.empty()) write_state(w, s, s.start, pid);
    }
    for (const LoadSample& s : r.samples) {
      write_state(w, s, s.at, pid);
      w.counter("tokens per second", s.at, pid,
                "\"prompt\":" + number(rate(s.prompt_tokens, recording.interval)) +
                    ",\"out\":" + number(rate(s.tokens, recording.interval)));
    }
  }
}

}  // namespace tollgate
