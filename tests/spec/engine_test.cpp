// Serving engines as shipped, and what a scenario takes from them.
#include <gtest/gtest.h>

#include <cmath>

#include "sim/spec/library.h"
#include "sim/spec/scenario_schema.h"

namespace tollgate {
namespace {

constexpr double GiB = 1 << 30;

Library library() { return Library(std::string(TOLLGATE_REPOSITORY) + "/models"); }

Scenario scenario(const std::string& engine, const std::string& hardware) {
  Library books = library();
  return parse_scenario(
      "schema_version: 1\nname: s\n" + engine +
          "candidates:\n  - {model: Llama-3.1-8B, hardware: " + hardware +
          "}\nworkload:\n  - {name: chat, input: 100, output: 20, prefix_hit_rate: 0}\n"
          "load: {kind: saturate}\npricing: {usd_per_gpu_hour: 1 USD/h}\n",
      "s.yaml", {}, books);
}

TEST(Engine, EveryShippedOneHasSourcesAndLimitsForEveryDevice) {
  Library books = library();
  const auto names = books.names(Library::Shelf::engines);
  EXPECT_GE(names.size(), 3u);
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const EngineSpec e = books.engine(name, {});
    EXPECT_EQ(e.name, name);
    EXPECT_FALSE(e.sources.empty());
    EXPECT_GT(e.host_per_step, 0);
    EXPECT_EQ(e.limits_for(0).memory_from, 0) << "no row for small devices";
  }
}

TEST(Engine, LimitsFollowTheMemoryOfTheDevice) {
  Library books = library();
  const EngineSpec e = books.engine("vllm", {});
  EXPECT_EQ(e.limits_for(24 * GiB).batched_tokens, 2048);
  EXPECT_EQ(e.limits_for(70 * GiB).batched_tokens, 8192);
  EXPECT_EQ(scenario("", "L40S").candidates[0].deployment.batched_tokens, 2048);
  EXPECT_EQ(scenario("", "H200-SXM").candidates[0].deployment.batched_tokens, 8192);
  EXPECT_EQ(scenario("engine: sglang\n", "H200-SXM").candidates[0].deployment.max_num_seqs, 2048);
}

TEST(Engine, OneConstantChangesOnTopOfABase) {
  const Scenario s = scenario("engine: {base: vllm, host_per_step: 1 ms}\n", "H200-SXM");
  EXPECT_DOUBLE_EQ(s.candidates[0].engine.host_per_step, 1e-3);
  EXPECT_DOUBLE_EQ(s.candidates[0].engine.host_per_sequence, 4e-6);
}

TEST(Engine, AnUnknownNameIsOneSentence) {
  try {
    scenario("engine: vlm\n", "H200-SXM");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("Did you mean 'vllm'?"), std::string::npos)
        << error.what();
  }
}

/// The captured sizes of vLLM are 1, 2, 4, 8, 16 .. 256, 272 .. 512; the mean over the whole
/// batches that pad to one size must be what padded_rows gives for their middle.
TEST(Engine, PaddingIsTheMeanOverBatchesBetweenTwoGraphs) {
  Library books = library();
  const auto graphs = books.engine("vllm", {}).graphs;
  const auto captured = [](int rows) {
    for (const int size : {1, 2, 4, 8}) {
      if (rows <= size) return size;
    }
    return rows <= 256 ? (rows + 7) / 8 * 8 : (rows + 15) / 16 * 16;
  };
  for (const auto& [first, last] : {std::pair{97, 104}, {273, 288}}) {
    double mean = 0, padded = 0;
    for (int rows = first; rows <= last; ++rows) {
      mean += captured(rows);
      padded += padded_rows(graphs, rows);
    }
    const int count = last - first + 1;
    EXPECT_NEAR(padded / count, mean / count, 0.01);
  }
  EXPECT_EQ(padded_rows(graphs, 1), 1);
  EXPECT_EQ(padded_rows(graphs, 600), 600) << "beyond the last graph nothing is padded";
  EXPECT_EQ(padded_rows({}, 33), 33);
}

/// Captured sizes 1, 2, 4, 8, 16, 24 .. 64, 256, 512: with at most 40 or 100 sequences the last is
/// that, whether or not it is a size of the list.
TEST(Engine, NoGraphIsLargerThanWhatMayRun) {
  const std::vector<GraphRange> all{
      {1, 1, {}}, {2, 1, {}}, {8, 4, {}}, {64, 8, {}}, {512, 256, {}}};
  const auto size = [&](int most, double rows) {
    double least = 1e9;  // padded_rows gives the middle of the batches that pad to a size
    for (const GraphRange& range : graphs_up_to(all, most)) {
      if (rows <= range.to) {
        least = std::min<double>(range.to, range.step * std::ceil(rows / range.step));
        break;
      }
    }
    return least;
  };
  EXPECT_EQ(size(1000, 300), 512);
  EXPECT_EQ(size(512, 300), 512);
  EXPECT_EQ(size(400, 300), 400);
  EXPECT_EQ(size(400, 200), 256);
  EXPECT_EQ(size(40, 33), 40);
  EXPECT_EQ(size(42, 41), 42);
  EXPECT_EQ(size(42, 33), 40);
  EXPECT_EQ(size(100, 65), 100);
  EXPECT_EQ(size(3, 3), 3);
  EXPECT_EQ(graphs_up_to(all, 512).size(), all.size());
}

}  // namespace
}  // namespace tollgate
