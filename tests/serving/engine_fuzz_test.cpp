#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

#include "sim/base/error.h"
#include "tests/serving/engine_reference.h"
#include "tests/serving/test_timer.h"

namespace tollgate {
namespace {

/// A random system with random requests; every feature by itself and in combination.
struct Scenario {
  TestTimer timer;
  ServingSystem system;
  RequestTable requests;
  Ticks sample_interval = 0;
  std::int64_t recorded_steps = 0;
  std::string text;
};

int pick(std::mt19937_64& g, std::initializer_list<int> of) {
  return *(of.begin() + g() % of.size());
}

enum class Feature {
  plain,
  sglang,
  prefix,
  speculation,
  ranks,
  disaggregated,
  replicas,
  waiting,
  all
};

Scenario draw(std::uint64_t seed, Feature feature) {
  std::mt19937_64 g(seed);
  const auto chance = [&](int percent) { return static_cast<int>(g() % 100) < percent; };
  const auto has = [&](Feature f) {
    return feature == f || (feature == Feature::all && chance(50));
  };
  Scenario s;
  s.timer.knee = pick(g, {100, 1000, 100000});
  s.timer.padding = pick(g, {1, 8});
  SchedulerConfig c;
  c.async = chance(60);
  c.policy = chance(20) ? SchedulerPolicy::trtllm : SchedulerPolicy::vllm;
  if (feature == Feature::sglang ||
      ((feature == Feature::ranks || feature == Feature::disaggregated) && chance(30)) ||
      (feature == Feature::all && chance(30))) {
    c.policy = SchedulerPolicy::sglang;
  }
  const bool sglang = c.policy == SchedulerPolicy::sglang;
  c.block_tokens = sglang ? pick(g, {1, 1, 16}) : pick(g, {16, 16, 16, 1, 64});
  c.max_sequences = pick(g, {1, 2, 8, 32, 128});
  c.prefix_cache = false;
  if (has(Feature::speculation) || (feature == Feature::sglang && chance(20))) {
    c.draft_tokens = pick(g, {1, 2, 3, 5});
    c.tokens_per_step = 1 + static_cast<double>(g() % 1000) / 1000 * c.draft_tokens;
    c.sample_acceptance = chance(40);
    c.seed = g();
  }
  c.by_priority = chance(25);
  const bool states = chance(15);
  if (has(Feature::ranks) || (feature == Feature::sglang && chance(40))) {
    c.ranks = pick(g, {2, 3, 4});
    if (chance(40)) c.rank_router = RankRouter::round_robin;
  }
  c.batched_tokens = std::max<std::int64_t>(pick(g, {64, 256, 2048, 8192}),
                                            c.max_sequences * (1 + c.draft_tokens));
  if (sglang) {
    c.mixed_chunk = chance(30) && (c.ranks == 1 || c.draft_tokens == 0);
    c.chunk = pick(g, {64, 500, 8192}) + (c.mixed_chunk ? c.max_sequences : 0);
    c.conservativeness = pick(g, {1, 3, 10, 13}) / 10.0;
  }
  const int longest_input = pick(g, {20, 300, 3000}), longest_output = pick(g, {3, 60, 600});
  // From room for one request to room for many.
  c.blocks = (longest_input + longest_output + 2 * c.draft_tokens + 2) / c.block_tokens + 3;
  if (c.sample_acceptance) c.blocks += (longest_output / 2 + 64) / c.block_tokens + 1;
  c.blocks = c.blocks * pick(g, {10, 13, 20, 60, 400}) / 10;
  const int count = pick(g, {3, 40, 150});
  const double gap = std::pow(10.0, -4 + static_cast<double>(g() % 1000) / 250);  // seconds
  RequestTable& t = s.requests;
  Ticks now = 0;
  const bool prefix = has(Feature::prefix) || (feature == Feature::sglang && chance(30));
  const bool reserves = c.policy != SchedulerPolicy::vllm;
  if (prefix) {
    c.prefix_cache = true;
    if (chance(50)) {
      c.host_blocks = 1 + static_cast<std::int64_t>(g() % static_cast<std::uint64_t>(3 * c.blocks));
      c.load_per_token = pick(g, {0, 1'000'000, 100'000'000});
    }
    const int streams = pick(g, {1, 3, 20});
    for (int i = 0; i < streams; ++i) {
      RequestTable::Stream stream;
      if (i > 0 && chance(50)) {
        stream.parent = static_cast<std::int32_t>(g() % static_cast<std::uint64_t>(i));
        stream.branch = static_cast<std::int32_t>(g() % static_cast<std::uint64_t>(longest_input));
      }
      t.streams.push_back(stream);
    }
  }
  for (int i = 0; i < count; ++i) {
    if (!chance(20)) {
      const double u = (static_cast<double>(g() % 1'000'000) + 0.5) / 1e6;
      now += static_cast<Ticks>(-std::log(u) * gap * 1e12);
    }
    t.arrival.push_back(now);
    const auto span = [&](int longest) {
      return 1 + static_cast<std::int32_t>(g() % static_cast<std::uint64_t>(longest));
    };
    t.input.push_back(span(longest_input));
    t.output.push_back(chance(5) ? 1 : span(longest_output));
    if (c.by_priority) t.priority.push_back(static_cast<std::int8_t>(pick(g, {-1, 0, 0, 5})));
    if (reserves) t.max_tokens.push_back(std::max(t.output.back(), span(longest_output)));
    if (prefix) {
      const bool none = chance(20);
      t.stream.push_back(none ? -1 : static_cast<std::int32_t>(g() % t.streams.size()));
      const std::int32_t all = t.input.back() + t.output.back();
      t.shared.push_back(none ? 0 : chance(40) ? all : span(all));
    }
    if (states) {
      const bool may = !prefix || t.stream.back() < 0;
      t.cached.push_back(
          may ? static_cast<std::int32_t>(g() % static_cast<std::uint64_t>(t.input.back() + 1))
              : 0);
    }
  }
  s.system.engines = {c, &s.timer, 1};
  if (has(Feature::disaggregated) || (feature == Feature::sglang && chance(30))) {
    s.system.engines.replicas = pick(g, {1, 2});
    SchedulerConfig d = c;
    if (!sglang) d.policy = SchedulerPolicy::vllm;
    d.async = chance(50);
    d.ranks = chance(30) && !(d.mixed_chunk && d.draft_tokens > 0) ? 2 : 1;
    d.reserved_decode_tokens =
        std::max<std::int64_t>(pick(g, {0, 64, 512}), 2 * (d.block_tokens + d.draft_tokens));
    if (sglang) d.blocks += d.reserved_decode_tokens / d.block_tokens + 1;
    s.system.decode = EnginePool{d, &s.timer, pick(g, {1, 2, 3})};
    s.system.engines.scheduler.draft_tokens = 0;
    s.system.engines.scheduler.tokens_per_step = 1;
    s.system.engines.scheduler.sample_acceptance = false;
    s.system.link = {static_cast<Ticks>(g() % 1'000'000'000),
                     static_cast<Ticks>(g() % 100'000'000)};
    s.system.router = Router::least_loaded;
  }
  if (has(Feature::replicas)) {
    s.system.engines.replicas = pick(g, {1, 2, 5});
    s.system.router = static_cast<Router>(pick(g, {0, 1, 2}));
    if (chance(40)) {
      s.system.closed_loop =
          ClosedLoop{pick(g, {1, 4, 60}), static_cast<Ticks>(g() % 2 * 50'000'000'000)};
      if (chance(50)) s.system.closed_loop->reading = static_cast<Ticks>(g() % 20'000'000'000);
    }
  }
  if (has(Feature::waiting)) {
    s.system.engines.replicas = pick(g, {1, 2, 3});
    s.system.router = static_cast<Router>(pick(g, {0, 1, 2}));
    if (chance(30)) s.system.closed_loop = ClosedLoop{pick(g, {1, 3, 20}), 0};
    // Each request of `waits` per cent follows one to three of those shortly before it.
    const int waits = pick(g, {10, 60, 95});
    std::vector<std::vector<std::int32_t>> after(t.input.size());
    for (std::int32_t r = 1; r < t.size(); ++r) {
      if (!chance(waits)) continue;
      const int many = pick(g, {1, 1, 1, 2, 3});
      for (int k = 0; k < many; ++k) {
        const std::int32_t back =
            1 + static_cast<std::int32_t>(g() % std::min<std::uint64_t>(r, 10));
        after[static_cast<std::size_t>(r - back)].push_back(r);
      }
      t.arrival[static_cast<std::size_t>(r)] = static_cast<Ticks>(g() % 3 * (g() % 30'000'000'000));
    }
    t.successors_begin.push_back(0);
    for (const auto& a : after) {
      t.successors.insert(t.successors.end(), a.begin(), a.end());
      t.successors_begin.push_back(static_cast<std::int32_t>(t.successors.size()));
    }
  }
  if (chance(40)) {
    const double end = static_cast<double>(t.arrival.back()) + 1e13;
    s.sample_interval = 1 + static_cast<Ticks>(end / pick(g, {7, 100, 300}));
  }
  if (chance(30)) s.recorded_steps = pick(g, {1, 30, 1000});
  std::ostringstream text;
  text << "seed " << seed << ": async " << c.async << ", policy " << static_cast<int>(c.policy)
       << ", block " << c.block_tokens << ", blocks " << c.blocks << ", sequences "
       << c.max_sequences << ", budget " << c.batched_tokens << ", drafts " << c.draft_tokens
       << ", ranks " << c.ranks << ", prefix " << prefix << ", requests " << count << ", replicas "
       << s.system.engines.replicas << ", decode pool " << s.system.decode.has_value()
       << ", router " << static_cast<int>(s.system.router) << ", closed "
       << s.system.closed_loop.has_value();
  s.text = text.str();
  return s;
}

/// Samples and step records of both engines.
void expect_equal(const Recording& fast, const Recording& plain) {
  ASSERT_EQ(fast.replicas.size(), plain.replicas.size());
  for (std::size_t r = 0; r < fast.replicas.size(); ++r) {
    SCOPED_TRACE("replica " + std::to_string(r));
    const ReplicaRecord &f = fast.replicas[r], &p = plain.replicas[r];
    ASSERT_EQ(f.samples.size(), p.samples.size());
    for (std::size_t i = 0; i < f.samples.size(); ++i) {
      SCOPED_TRACE("sample " + std::to_string(i));
      ASSERT_EQ(f.samples[i].at, p.samples[i].at);
      ASSERT_EQ(f.samples[i].running, p.samples[i].running);
      ASSERT_EQ(f.samples[i].waiting, p.samples[i].waiting);
      ASSERT_EQ(f.samples[i].blocks, p.samples[i].blocks);
      ASSERT_EQ(f.samples[i].prompt_tokens, p.samples[i].prompt_tokens);
      ASSERT_EQ(f.samples[i].tokens, p.samples[i].tokens);
    }
    ASSERT_EQ(f.steps.size(), p.steps.size());
    for (std::size_t i = 0; i < f.steps.size(); ++i) {
      SCOPED_TRACE("step " + std::to_string(i));
      ASSERT_EQ(f.steps[i].start, p.steps[i].start);
      ASSERT_EQ(f.steps[i].duration, p.steps[i].duration);
      ASSERT_EQ(f.steps[i].running, p.steps[i].running);
      ASSERT_EQ(f.steps[i].waiting, p.steps[i].waiting);
      ASSERT_EQ(f.steps[i].blocks, p.steps[i].blocks);
      ASSERT_EQ(f.steps[i].ranks.size(), p.steps[i].ranks.size());
      for (std::size_t k = 0; k < f.steps[i].ranks.size(); ++k) {
        const RankBatch &a = f.steps[i].ranks[k], &b = p.steps[i].ranks[k];
        ASSERT_EQ(a.prefill_tokens, b.prefill_tokens);
        ASSERT_EQ(a.prefill_requests, b.prefill_requests);
        ASSERT_EQ(a.prompts_finished, b.prompts_finished);
        ASSERT_EQ(a.decode_sequences, b.decode_sequences);
        ASSERT_EQ(a.decode_context, b.decode_context);
      }
      const auto sorted = [](std::vector<StepEvent> v) {
        std::sort(v.begin(), v.end());
        return v;
      };
      ASSERT_EQ(sorted(f.steps[i].events), sorted(p.steps[i].events));
    }
  }
}

class EngineFuzz : public testing::TestWithParam<Feature> {};

/// 250 random scenarios per feature, 2,250 in all: every time and every count is that of the plain
/// engine, which steps through each iteration, sequence and block.
TEST_P(EngineFuzz, equals_the_plain_engine_to_the_last_bit) {
  std::int64_t preemptions = 0, hits = 0, loaded = 0, steps = 0, events = 0;
  for (std::uint64_t seed = 0; seed < (getenv("TOLLGATE_LONG_FUZZ") ? 4000 : 250); ++seed) {
    const Scenario s = draw(seed * 7919 + 1, GetParam());
    SCOPED_TRACE(s.text);
    Recording plain_record, fast_record;
    plain_record.interval = fast_record.interval = s.sample_interval;
    plain_record.steps = fast_record.steps = s.recorded_steps;
    const Outcome plain = simulate_plainly(s.system, s.requests, &plain_record);
    const Outcome fast = simulate(
        s.system, s.requests, s.recorded_steps + s.sample_interval > 0 ? &fast_record : nullptr);
    ASSERT_EQ(fast.first, plain.first);
    ASSERT_EQ(fast.last, plain.last);
    ASSERT_EQ(fast.arrival, plain.arrival);
    ASSERT_EQ(fast.counters.steps, plain.counters.steps);
    ASSERT_EQ(fast.counters.blocked_steps, plain.counters.blocked_steps);
    ASSERT_EQ(fast.counters.preemptions, plain.counters.preemptions);
    ASSERT_EQ(fast.counters.recomputed, plain.counters.recomputed);
    ASSERT_EQ(fast.counters.prompt_tokens, plain.counters.prompt_tokens);
    ASSERT_EQ(fast.counters.cached_tokens, plain.counters.cached_tokens);
    ASSERT_EQ(fast.counters.loaded_tokens, plain.counters.loaded_tokens);
    ASSERT_EQ(fast.counters.end, plain.counters.end);
    ASSERT_EQ(fast.gaps, plain.gaps);
    if (s.recorded_steps + s.sample_interval > 0) expect_equal(fast_record, plain_record);
    if (HasFatalFailure()) return;
    double decoding = 0;
    std::int64_t tokens = 0;
    for (std::size_t i = 0; i < fast.last.size(); ++i) {
      ASSERT_GE(fast.last[i], fast.first[i]);
      ASSERT_GE(fast.first[i], 0);
      decoding += to_seconds(fast.last[i] - fast.first[i]);
      tokens += s.requests.output[i] - 1;
    }
    // Every token after the first has a gap before it, and they make up the answer's time.
    const GapHistogram gaps = fast.gaps.between(0, latest_end);
    if (s.system.engines.scheduler.draft_tokens == 0 &&
        (!s.system.decode || s.system.decode->scheduler.draft_tokens == 0)) {
      ASSERT_EQ(gaps.count(), tokens);
    }
    ASSERT_NEAR(gaps.mean() * static_cast<double>(gaps.count()), decoding, 1e-9 * decoding + 1e-9);
    preemptions += fast.counters.preemptions;
    hits += fast.counters.cached_tokens;
    loaded += fast.counters.loaded_tokens;
    steps += fast.counters.steps;
    events += fast.counters.events;
  }
  // The scenarios do exercise what they are meant to.
  EXPECT_GT(preemptions, GetParam() == Feature::sglang ? 50 : 500);
  EXPECT_LT(events, steps);
  if (GetParam() == Feature::prefix || GetParam() == Feature::all) {
    EXPECT_GT(hits, 10000);
    EXPECT_GT(loaded, 1000);
  }
  RecordProperty("preemptions", static_cast<int>(preemptions));
}

std::string name_of(const testing::TestParamInfo<Feature>& feature) {
  const char* const names[] = {"plain",         "sglang",   "prefix",  "speculation", "ranks",
                               "disaggregated", "replicas", "waiting", "all"};
  return names[static_cast<int>(feature.param)];
}

INSTANTIATE_TEST_SUITE_P(features, EngineFuzz,
                         testing::Values(Feature::plain, Feature::sglang, Feature::prefix,
                                         Feature::speculation, Feature::ranks,
                                         Feature::disaggregated, Feature::replicas,
                                         Feature::waiting, Feature::all),
                         name_of);

}  // namespace
}  // namespace tollgate
