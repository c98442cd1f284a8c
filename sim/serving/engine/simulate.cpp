#include "sim/serving/engine/simulate.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <queue>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "sim/base/error.h"
#include "sim/serving/engine/dependencies.h"
#include "sim/serving/engine/replica.h"

namespace tollgate {
namespace {

void check_all_ended(const Outcome& outcome) {
  const auto left =
      std::count_if(outcome.last.begin(), outcome.last.end(), [](Ticks t) { return t < 0; });
  if (left > 0) {
    throw std::logic_error("the serving simulator is stuck with " + std::to_string(left) + " of " +
                           std::to_string(outcome.last.size()) + " requests unfinished.");
  }
}

struct Alone {
  EngineCounters counters;
  TokenGaps gaps;
};

/// A replica with every `stride`-th request, from `first` on.
Alone run_alone(const EnginePool& pool, const RequestTable& requests, std::int32_t first,
                std::int32_t stride, Outcome& outcome, Recording* recording) {
  Replica replica(pool.scheduler, EngineRole::both, *pool.timer, requests, outcome, nullptr);
  if (recording != nullptr) {
    replica.record(*recording, recording->replicas[static_cast<std::size_t>(first)]);
  }
  SampleClock samples(recording);
  const auto take = [&replica](Ticks at) { replica.sample(at); };
  std::int64_t r = first;
  for (;;) {
    const Ticks arrival =
        r < requests.size() ? requests.arrival[static_cast<std::size_t>(r)] : never;
    const Ticks event = std::min(arrival, replica.next());
    if (event == never) break;
    samples.before(event, take);
    if (arrival <= replica.next()) {
      replica.enqueue(static_cast<std::int32_t>(r), arrival);
      r += stride;
    } else {
      replica.execute();
    }
  }
  samples.to_end(replica.counters().end, take);
  replica.finish_record();
  return {replica.counters(), replica.gaps()};
}

struct Message {
  enum class Kind { sent, arrival, handed_over, received, unpin, computed };
  Ticks at;
  Kind kind;
  std::int32_t request;  ///< sent or an arrival: -1 begins the next session of a closed loop

  bool operator>(const Message& o) const {
    if (at != o.at) return at > o.at;
    if (kind != o.kind) return kind > o.kind;
    return request > o.request;
  }
};

/// Replicas that depend on each other through a router, a transfer or their users.
class Cluster {
 public:
  Cluster(const ServingSystem& system, const RequestTable& requests, Outcome& outcome)
      : system_(system),
        requests_(requests),
        outcome_(outcome),
        pools_(1),
        dependencies_(requests) {
    const EngineRole role = system.decode ? EngineRole::prefill : EngineRole::both;
    add(0, system.engines, role);
    if (system.decode) {
      pools_.resize(2);
      add(1, *system.decode, EngineRole::decode);
      room_first_ = system.decode->scheduler.policy == SchedulerPolicy::sglang;
      const auto n = static_cast<std::size_t>(requests.size());
      sender_.resize(n);
      receiver_.resize(n);
      ranks_[0] = static_cast<std::size_t>(system.engines.scheduler.ranks);
      ranks_[1] = static_cast<std::size_t>(system.decode->scheduler.ranks);
      for (std::size_t p : {0, 1}) link_free_[p].resize(pools_[p].size() * ranks_[p]);
    }
    if (system.closed_loop || !requests.successors.empty()) {
      outcome.arrival.assign(static_cast<std::size_t>(requests.size()), 0);
    }
    if (system.closed_loop) {
      outcome.closed_loop = true;
      sessions_.emplace(requests, dependencies_);
      const auto at_once = std::min<std::int64_t>(system.closed_loop->users, sessions_->count());
      for (std::int64_t i = 0; i < at_once; ++i) {
        messages_.push({0, Message::Kind::sent, -1});
      }
    }
  }

  void record(Recording& recording) {
    std::size_t k = 0;
    for (auto& pool : pools_) {
      for (Replica& r : pool) r.record(recording, recording.replicas[k++]);
    }
    samples_ = SampleClock(&recording);
  }

  void run() {
    for (;;) {
      std::size_t pool = 0, replica = 0;
      Ticks point = never;
      for (std::size_t p = 0; p < pools_.size(); ++p) {
        for (std::size_t i = 0; i < pools_[p].size(); ++i) {
          if (pools_[p][i].next() < point) {
            point = pools_[p][i].next();
            pool = p;
            replica = i;
          }
        }
      }
      const Message arrival = next_arrival();
      const bool from_table = messages_.empty() || messages_.top() > arrival;
      const Message m = from_table ? arrival : messages_.top();
      const Ticks event = std::min(m.at, point);
      if (event == never) break;
      samples_.before(event, [this](Ticks at) { take_samples(at); });
      if (m.at <= point) {
        if (from_table) {
          ++next_in_table_;
        } else {
          messages_.pop();
        }
        deliver(m);
      } else {
        pools_[pool][replica].execute();
        collect(pool);
      }
    }
    for (const auto& pool : pools_) {
      for (const Replica& r : pool) {
        outcome_.counters += r.counters();
        outcome_.gaps += r.gaps();
      }
    }
    samples_.to_end(outcome_.counters.end, [this](Ticks at) { take_samples(at); });
    for (auto& pool : pools_) {
      for (Replica& r : pool) r.finish_record();
    }
  }

 private:
  void add(std::size_t pool, const EnginePool& p, EngineRole role) {
    pools_[pool].reserve(static_cast<std::size_t>(p.replicas));
    for (int i = 0; i < p.replicas; ++i) {
      pools_[pool].emplace_back(p.scheduler, role, *p.timer, requests_, outcome_, &events_);
    }
  }

  void take_samples(Ticks at) {
    for (auto& pool : pools_) {
      for (Replica& r : pool) r.sample(at);
    }
  }

  Message next_arrival() {
    if (system_.closed_loop) return {never, Message::Kind::arrival, -1};
    while (next_in_table_ < requests_.size() && !dependencies_.is_root(next_in_table_)) {
      ++next_in_table_;
    }
    if (next_in_table_ == requests_.size()) return {never, Message::Kind::arrival, -1};
    return {requests_.arrival[static_cast<std::size_t>(next_in_table_)], Message::Kind::arrival,
            next_in_table_};
  }

  std::size_t least_loaded(const std::vector<Replica>& pool, Ticks at) const {
    std::size_t best = 0;
    std::int64_t least = pool[0].load(at);
    for (std::size_t i = 1; i < pool.size() && least > 0; ++i) {
      const std::int64_t load = pool[i].load(at);
      if (load < least) {
        least = load;
        best = i;
      }
    }
    return best;
  }

  std::size_t pick(std::size_t p, std::int32_t request, Ticks at) {
    const std::vector<Replica>& pool = pools_[p];
    if (pool.size() == 1) return 0;
    if (system_.router == Router::round_robin) return turn_[p]++ % pool.size();
    const std::size_t least = least_loaded(pool, at);
    const auto r = static_cast<std::size_t>(request);
    if (p == 1 || system_.router == Router::least_loaded || requests_.stream.empty() ||
        requests_.stream[r] < 0) {
      return least;
    }
    const auto [home, is_new] = home_.try_emplace(requests_.stream[r], least);
    if (!is_new) {
      const std::int64_t here = pool[home->second].load(at), there = pool[least].load(at);
      if (here > 2 * there && here > there + 16) home->second = least;
    }
    return home->second;
  }

  void send(std::int32_t request, Ticks at) {
    const auto r = static_cast<std::size_t>(request);
    if (!outcome_.arrival.empty()) outcome_.arrival[r] = at;
    const std::size_t to = pick(0, request, at);
    if (system_.decode) sender_[r] = static_cast<std::int32_t>(to);
    if (room_first_) {
      const std::size_t decoder = pick(1, request, at);
      receiver_[r] = static_cast<std::int32_t>(decoder);
      pools_[1][decoder].enqueue(request, at);
    } else {
      pools_[0][to].enqueue(request, at);
    }
  }

  void deliver(Message m) {
    if (m.kind == Message::Kind::sent) {
      if (begun_ == sessions_->count()) return;
      // Without a pause the message came a tick after the answer.
      const Ticks late = system_.closed_loop->think_time == 0 && m.at > 0 ? 1 : 0;
      const Ticks arrival = std::max(m.at, begin_session(m.at - late));
      messages_.push({arrival, Message::Kind::arrival, -1});
      return;
    }
    if (m.kind == Message::Kind::arrival && m.request < 0) {
      sessions_->begin_next([&](std::int32_t request) { send(request, m.at); });
      return;
    }
    const auto r = static_cast<std::size_t>(m.request);
    switch (m.kind) {
      case Message::Kind::sent:
        break;
      case Message::Kind::arrival:
        send(m.request, m.at);
        break;
      case Message::Kind::handed_over: {
        if (room_first_) {
          pools_[0][static_cast<std::size_t>(sender_[r])].enqueue(m.request, m.at);
          break;
        }
        const std::size_t to = pick(1, m.request, m.at);
        receiver_[r] = static_cast<std::int32_t>(to);
        pools_[1][to].enqueue(m.request, m.at);
        break;
      }
      case Message::Kind::received:
        pools_[1][static_cast<std::size_t>(receiver_[r])].received(m.request, m.at);
        break;
      case Message::Kind::computed:
        transfer(m.request, m.at);
        break;
      case Message::Kind::unpin:
        pools_[0][static_cast<std::size_t>(sender_[r])].unpin(m.request, m.at);
        break;
    }
  }

  /// Turns what an engine reported into messages to others, at least one tick later, so that no
  /// message comes at the time of the point that causes it.
  void collect(std::size_t pool) {
    for (const EngineEvent& e : events_) {
      const bool ready = e.kind == EngineEvent::Kind::ready_to_receive;
      const bool computed = pool == 0 && system_.decode && !ready;
      if (computed && room_first_) {
        messages_.push({e.at + 1, Message::Kind::computed, e.request});
      } else if (ready && !room_first_) {
        transfer(e.request, e.at);
      } else if (ready || computed) {
        messages_.push({e.at + 1, Message::Kind::handed_over, e.request});
      } else {
        answered(e.request, e.at);
      }
    }
    events_.clear();
  }

  /// When a session that is sent at `at` reaches the engine.
  Ticks begin_session(Ticks at) {
    const ClosedLoop& loop = *system_.closed_loop;
    reader_free_ = std::max(at, reader_free_) + loop.reading;
    const Ticks arrival =
        reader_free_ + (loop.ingest.empty()
                            ? 0
                            : loop.ingest[static_cast<std::size_t>(begun_) % loop.ingest.size()]);
    ++begun_;
    outcome_.before_arrival += to_seconds(arrival - at);
    return arrival;
  }

  /// When the links of the rank that has a request are free.
  Ticks& link_of(std::size_t pool, std::int32_t replica, std::int32_t request) {
    const auto i = static_cast<std::size_t>(replica);
    const auto rank = static_cast<std::size_t>(pools_[pool][i].rank_with(request));
    return link_free_[pool][i * ranks_[pool] + rank];
  }

  void transfer(std::int32_t request, Ticks at) {
    const auto r = static_cast<std::size_t>(request);
    Ticks& out = link_of(0, sender_[r], request);
    Ticks& in = link_of(1, receiver_[r], request);
    const Ticks duration = system_.link.latency + system_.link.per_token * requests_.input[r];
    out = in = std::max({at, out, in}) + std::max<Ticks>(1, duration);
    messages_.push({in, Message::Kind::received, request});
    messages_.push({in, Message::Kind::unpin, request});
  }

  void answered(std::int32_t request, Ticks at) {
    dependencies_.answered(request, at, outcome_.arrival, [&](std::int32_t next, Ticks when) {
      messages_.push({when, Message::Kind::arrival, next});
    });
    if (sessions_ && sessions_->ended_by(request, at)) {
      const Ticks pause = std::max<Ticks>(1, system_.closed_loop->think_time);
      messages_.push({at + pause, Message::Kind::sent, -1});
    }
  }

  const ServingSystem& system_;
  const RequestTable& requests_;
  Outcome& outcome_;
  std::vector<EngineEvent> events_;
  std::vector<std::vector<Replica>> pools_;
  std::priority_queue<Message, std::vector<Message>, std::greater<>> messages_;
  Dependencies dependencies_;
  std::optional<Sessions> sessions_;
  std::int32_t next_in_table_ = 0;
  SampleClock samples_{nullptr};
  std::int64_t begun_ = 0;  ///< sessions of a closed loop
  Ticks reader_free_ = 0;   ///< when the process that reads sessions is done
  std::size_t turn_[2] = {0, 0};
  std::unordered_map<std::int32_t, std::size_t> home_;  ///< by stream
  bool room_first_ = false;  ///< SGLang: the decode engine gives room before the prompt is computed
  std::vector<std::int32_t> sender_, receiver_;
  std::vector<Ticks> link_free_[2];  ///< of each rank of each replica
  std::size_t ranks_[2] = {1, 1};
};

void check_pool(const EnginePool& pool, const RequestTable& requests, EngineRole role) {
  if (pool.replicas < 1) throw InputError("a serving system needs at least one replica");
  if (pool.timer == nullptr) throw InputError("a pool of engines has no step timer");
  check(pool.scheduler, requests, role);
}

void begin_recording(const ServingSystem& system, Recording& recording) {
  if (recording.interval < 0 || recording.steps < 0) {
    throw InputError("a recording has no negative interval and no negative number of steps");
  }
  recording.replicas.clear();
  for (const bool decode : {false, true}) {
    if (decode && !system.decode) break;
    for (int i = 0; i < (decode ? *system.decode : system.engines).replicas; ++i) {
      recording.replicas.push_back({decode, i, 0, {}, {}});
    }
  }
}

/// Replicas that ended earlier idle until the last one ends.
void even_out(Recording& recording) {
  std::size_t most = 0;
  for (const ReplicaRecord& r : recording.replicas) most = std::max(most, r.samples.size());
  for (ReplicaRecord& r : recording.replicas) {
    while (r.samples.size() < most) {
      LoadSample idle;
      idle.at = static_cast<Ticks>(r.samples.size() + 1) * recording.interval;
      r.samples.push_back(idle);
    }
  }
}

}  // namespace

Outcome simulate(const ServingSystem& system, const RequestTable& requests, Recording* recording) {
  check_pool(system.engines, requests, system.decode ? EngineRole::prefill : EngineRole::both);
  if (system.decode) {
    check_pool(*system.decode, requests, EngineRole::decode);
    if ((system.engines.scheduler.policy == SchedulerPolicy::sglang) !=
        (system.decode->scheduler.policy == SchedulerPolicy::sglang)) {
      throw InputError("SGLang hands prompts over to SGLang only");
    }
  }
  if (system.closed_loop &&
      (system.closed_loop->think_time < 0 || system.closed_loop->think_time > latest_arrival / 2)) {
    throw InputError("the think time of a closed loop lies between 0 and 26 days");
  }
  if (system.closed_loop &&
      (system.closed_loop->reading < 0 ||
       system.closed_loop->reading >
           latest_arrival / 2 / std::max<std::int64_t>(1, system.closed_loop->users))) {
    throw InputError("reading the prompts of all users of a closed loop lasts at most 26 days");
  }
  if (system.closed_loop && system.closed_loop->users < 1) {
    throw InputError("a closed loop needs at least one user, but has " +
                     std::to_string(system.closed_loop->users));
  }
  if (!system.closed_loop && requests.arrival.size() != requests.input.size()) {
    throw InputError("the requests have no arrival times");
  }
  Outcome outcome;
  outcome.first.assign(static_cast<std::size_t>(requests.size()), -1);
  outcome.last.assign(static_cast<std::size_t>(requests.size()), -1);
  if (recording != nullptr) begin_recording(system, *recording);
  if (requests.size() == 0) return outcome;
  const bool apart = !system.decode && !system.closed_loop && requests.successors.empty() &&
                     (system.router == Router::round_robin || system.engines.replicas == 1);
  if (!apart) {
    Cluster cluster(system, requests, outcome);
    if (recording != nullptr) cluster.record(*recording);
    cluster.run();
    check_all_ended(outcome);
    return outcome;
  }
  const std::int32_t n = system.engines.replicas;
  std::vector<Alone> alone(static_cast<std::size_t>(n));
  tbb::parallel_for(0, n, [&](std::int32_t i) {
    alone[static_cast<std::size_t>(i)] =
        run_alone(system.engines, requests, i, n, outcome, recording);
  });
  for (const Alone& a : alone) {
    outcome.counters += a.counters;
    outcome.gaps += a.gaps;
  }
  check_all_ended(outcome);
  if (recording != nullptr) even_out(*recording);
  return outcome;
}

}  // namespace tollgate
