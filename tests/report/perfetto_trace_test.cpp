#include "sim/report/perfetto_trace.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/serving/engine/simulate.h"

namespace tollgate {
namespace {

constexpr Ticks ms = ticks_per_second / 1000;

/// A millisecond and a token's share of it.
struct SlowTimer : StepTimer {
  Ticks step(std::span<const RankBatch> ranks) const override {
    Ticks t = ms;
    for (const RankBatch& r : ranks) t += 1'234'567 * (r.prefill_tokens + r.decode_sequences);
    return t;
  }
  DecodeLine decode(std::span<const RankBatch> ranks) const override {
    return {step(ranks), 0, std::int64_t{1} << 40};
  }
};

struct TracedRun {
  SlowTimer timer;
  ServingSystem system;
  RequestTable requests;
  Recording recording;

  TracedRun() {
    system.engines.timer = &timer;
    system.engines.scheduler.ranks = 2;
    system.engines.scheduler.blocks = 20;
    system.engines.scheduler.async = false;
    for (int i = 0; i < 30; ++i) {
      requests.arrival.push_back(i * 3 * ms);
      requests.input.push_back(40 + i);
      requests.output.push_back(20 + i % 7 * 10);
    }
  }
  nlohmann::json trace() {
    simulate(system, requests, &recording);
    std::ostringstream out;
    write_perfetto_trace(out, recording);
    return nlohmann::json::parse(out.str());
  }
};

/// Slices of a rank follow one another without overlap, to the last digit; every request is
/// admitted as often as it is preempted or finished; instants lie in a slice of their rank.
TEST(PerfettoTrace, SlicesFollowOneAnotherAndInstantsLieInThem) {
  TracedRun run;
  run.recording.steps = 1'000'000;
  const nlohmann::json trace = run.trace();
  std::map<int, double> end;
  std::map<int, int> balance;
  int slices = 0, preemptions = 0;
  for (const auto& e : trace["traceEvents"]) {
    const int tid = e["tid"];
    if (e["ph"] == "X") {
      ++slices;
      EXPECT_GE(e["ts"].get<double>(), end[tid] - 1e-6);
      end[tid] = e["ts"].get<double>() + e["dur"].get<double>();
    } else if (e["ph"] == "i") {
      const bool admitted = e["name"] == "admitted";
      balance[e["args"]["request"]] += admitted ? 1 : -1;
      preemptions += e["name"] == "preempted";
      EXPECT_LE(e["ts"].get<double>(), end[tid] + 1e-6);
    }
  }
  EXPECT_EQ(slices, 2 * static_cast<int>(run.recording.replicas[0].steps.size()));
  EXPECT_GT(preemptions, 0);
  EXPECT_EQ(balance.size(), 30u);
  for (const auto& [request, count] : balance) EXPECT_EQ(count, 0) << request;
}

/// Counters are those of the samples, or of the steps where there are no samples.
TEST(PerfettoTrace, CountersAreThoseOfTheRecording) {
  for (const bool sampled : {true, false}) {
    TracedRun run;
    run.recording.interval = sampled ? 10 * ms : 0;
    run.recording.steps = 50;
    const nlohmann::json trace = run.trace();
    const ReplicaRecord& record = run.recording.replicas[0];
    std::size_t next = 0;
    for (const auto& e : trace["traceEvents"]) {
      if (e["ph"] != "C" || e["name"] != "sequences") continue;
      const std::size_t i = next++;
      const std::int64_t running = sampled ? record.samples[i].running : record.steps[i].running;
      const std::int64_t waiting = sampled ? record.samples[i].waiting : record.steps[i].waiting;
      EXPECT_EQ(e["args"]["running"], running);
      EXPECT_EQ(e["args"]["waiting"], waiting);
    }
    EXPECT_EQ(next, sampled ? record.samples.size() : record.steps.size());
  }
}

/// All tokens of the requests appear in the samples: each prompt at least once, each answer once
/// and what was emitted before a preemption not again.
TEST(PerfettoTrace, SamplesAddUp) {
  TracedRun run;
  run.recording.interval = 7 * ms;
  run.trace();
  std::int64_t prompt = 0, emitted = 0, inputs = 0, outputs = 0;
  for (const LoadSample& s : total_load(run.recording)) {
    prompt += s.prompt_tokens;
    emitted += s.tokens;
  }
  for (std::int32_t n : run.requests.input) inputs += n;
  for (std::int32_t n : run.requests.output) outputs += n;
  EXPECT_GT(prompt, inputs);
  EXPECT_EQ(emitted, outputs);
  EXPECT_EQ(run.recording.replicas[0].samples.back().running, 0);
  EXPECT_EQ(run.recording.replicas[0].samples.back().blocks, 0);
}

}  // namespace
}  // namespace tollgate
