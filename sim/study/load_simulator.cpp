#include "sim/study/load_simulator.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "sim/serving/workload/traffic_generator.h"

namespace tollgate {
namespace {

constexpr std::int64_t turns = 40, fewest_requests = 4000;
/// Conversations last long and come with pauses: as many more requests.
constexpr std::int64_t open_conversations = 5, closed_conversations = 2;

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

std::vector<bool> followers(const RequestTable& table) {
  std::vector<bool> follows(table.input.size());
  for (const std::int32_t r : table.successors) follows[static_cast<std::size_t>(r)] = true;
  return follows;
}

double mean_prompt(const RequestTable& table) {
  double sum = 0;
  for (const std::int32_t tokens : table.input) sum += tokens;
  return sum / static_cast<double>(std::max<std::size_t>(1, table.input.size()));
}

/// The engine's clock begins when its scheduler has a request: what comes before passes between an
/// answer and the next request.
void delay_followers(RequestTable& table, const SimulatedService& service) {
  const std::vector<bool> follows = followers(table);
  for (std::size_t r = 0; r < follows.size(); ++r) {
    if (follows[r]) table.arrival[r] += in_ticks(service.ingest(table.input[r]));
  }
}

/// Seconds in which the load is what was asked for; none where that is left to the summary.
std::optional<std::pair<double, double>> settled_window(const GeneratedTraffic& traffic,
                                                        const Outcome& outcome) {
  const RequestTable& table = traffic.table;
  const bool conversations = !table.successors.empty();
  if (traffic.closed_loop) {
    // The number of requests in it is constant from the start, which tells nothing; in the end a
    // few long conversations are left.
    std::vector<Ticks> sent = outcome.arrival;
    std::sort(sent.begin(), sent.end());
    const std::size_t last = conversations ? sent.size() * 9 / 10 : sent.size() - 1;
    return {{to_seconds(sent[sent.size() / 4]), to_seconds(sent[last])}};
  }
  if (!conversations) return std::nullopt;
  // Until conversations have had time to go on, less comes than is offered; after the last one has
  // begun, too.
  const std::vector<bool> follows = followers(table);
  Ticks begun = 0;
  for (std::size_t r = 0; r < follows.size(); ++r) {
    if (!follows[r]) begun = std::max(begun, table.arrival[r]);
  }
  return {{to_seconds(begun) / 2, to_seconds(begun)}};
}

}  // namespace

bool has_conversations(const std::vector<RequestClass>& workload) {
  return std::any_of(workload.begin(), workload.end(),
                     [](const RequestClass& c) { return c.session.has_value(); });
}

LoadSimulator::LoadSimulator(const SimulatedReplica& replica, const SimulationQuestion& question)
    : replica_(replica), q_(question) {
  // A block is kept for the tokens in flight, and SGLang's decode engines keep what they reserve.
  const auto longest = [](const SchedulerConfig& s, std::int64_t kept) {
    return std::min(s.context, std::max<std::int64_t>(2, (s.blocks - 2) * s.block_tokens - kept));
  };
  const SchedulerConfig& main = replica.main.service->scheduler();
  const bool reserves = replica.prefill && main.policy == SchedulerPolicy::sglang;
  context_ = longest(main, reserves ? main.reserved_decode_tokens : 0);
  if (replica.prefill) {
    context_ = std::min(context_, longest(replica.prefill->service->scheduler(), 0));
  }
}

ServingSystem LoadSimulator::system_of(int replicas, bool by_priority) const {
  const auto pool = [&](const SimulatedEngines& e) {
    EnginePool p{e.service->scheduler(), &e.service->timer(), replicas * e.instances};
    p.scheduler.by_priority = by_priority;
    return p;
  };
  ServingSystem system;
  system.engines = pool(replica_.prefill ? *replica_.prefill : replica_.main);
  if (replica_.prefill) system.decode = pool(replica_.main);
  system.link = replica_.link;
  system.router = router_of(q_.simulation.router);
  return system;
}

LoadTrial LoadSimulator::run(const LoadSpec& load, int replicas, double in_flight, int seeds,
                             Recording* recording) const {
  LoadTrial trial;
  const auto n = static_cast<std::size_t>(seeds);
  trial.seeds.resize(n);
  trial.counters.resize(n);
  trial.cut.resize(n);
  trial.requests.resize(n);
  tbb::parallel_for(std::size_t{0}, n, [&](std::size_t i) {
    TrafficOptions options;
    options.seed = q_.seed + i;
    options.context = context_;
    options.requests = requests(in_flight);
    GeneratedTraffic traffic = generate_traffic(*q_.workload, load, options);
    const SimulatedService& service = replica_.first();
    delay_followers(traffic.table, service);
    ServingSystem system = system_of(replicas, !traffic.table.priority.empty());
    system.closed_loop = traffic.closed_loop;
    if (system.closed_loop)
      system.closed_loop->think_time += in_ticks(service.ingest(mean_prompt(traffic.table)));
    const Outcome outcome = simulate(system, traffic.table, i == 0 ? recording : nullptr);
    SummaryOptions summary;
    summary.classes = traffic.classes;
    summary.ingest = service.ingest(0);
    summary.ingest_per_token = service.ingest_per_token();
    summary.class_of = traffic.class_of;
    summary.window = settled_window(traffic, outcome);
    trial.seeds[i] = summarise(traffic.table, outcome, summary);
    trial.counters[i] = outcome.counters;
    trial.cut[i] = traffic.cut;
    trial.requests[i] = traffic.table.size();
  });
  return trial;
}

std::int64_t LoadSimulator::requests(double in_flight) const {
  if (q_.simulation.requests > 0) return q_.simulation.requests;
  const auto enough =
      std::max(fewest_requests, turns * static_cast<std::int64_t>(std::ceil(in_flight)));
  if (!has_conversations(*q_.workload)) return enough;
  const bool open = q_.load.kind == LoadKind::rate || q_.load.kind == LoadKind::trace;
  return (open ? open_conversations : closed_conversations) * enough;
}

bool LoadSimulator::keeps(const LoadTrial& trial) const {
  double ttft = 0, tpot = 0;
  for (const ServingSummary& s : trial.seeds) {
    ttft += s.ttft.mean / static_cast<double>(trial.seeds.size());
    tpot += s.tpot.mean / static_cast<double>(trial.seeds.size());
    if (s.saturation == Saturation::overloaded && q_.load.kind != LoadKind::saturate) return false;
  }
  return (q_.slo.ttft == 0 || ttft <= q_.slo.ttft) && (q_.slo.tpot == 0 || tpot <= q_.slo.tpot);
}

LoadSpec LoadSimulator::users(double n) const {
  LoadSpec load = q_.load;
  load.kind = LoadKind::concurrency;
  load.concurrency = n;
  return load;
}

}  // namespace tollgate
