// Engine options of public benchmarks: which rules hold where, and what later rules leave.
#include <gtest/gtest.h>

#include <set>

#include "sim/spec/library.h"
#include "sim/spec/money.h"
#include "sim/spec/recipe_spec.h"
#include "sim/spec/yaml_tree.h"

namespace tollgate {
namespace {

RecipeRule rule(const std::string& engine) {
  RecipeRule r;
  r.engine = engine;
  return r;
}

TEST(Recipe, LaterRulesGoOverEarlierOnes) {
  RecipeBook book;
  book.rules = {rule("a"), rule("a"), rule("b")};
  book.rules[0].batched_tokens = 100;
  book.rules[0].max_num_seqs = 5;
  book.rules[1].batched_tokens = 200;
  book.rules[1].concurrency_from = 16;
  book.rules[2].max_num_seqs = 9;
  RecipeQuestion q;
  q.engine = "a";
  q.concurrency = 8;
  EXPECT_EQ(options_for(book, q).batched_tokens, 100);
  q.concurrency = 16;
  EXPECT_EQ(options_for(book, q).batched_tokens, 200);
  EXPECT_EQ(options_for(book, q).max_num_seqs, 5);
  q.engine = "c";
  EXPECT_EQ(options_for(book, q).max_num_seqs, 0);
}

TEST(Recipe, BudgetsFollowTheLengths) {
  RecipeBook book;
  book.rules = {rule("a"), rule("a")};
  book.rules[0].context_budget = 200;
  book.rules[1].prompt_budget = 1;
  book.rules[1].models = {"m"};
  RecipeQuestion q;
  q.engine = "a";
  q.input = 1024;
  q.output = 512;
  q.concurrency = 64;
  EXPECT_EQ(options_for(book, q).batched_tokens, 1736);
  q.model = "m";
  EXPECT_EQ(options_for(book, q).batched_tokens, 1089) << "a prompt beside the batch";
}

TEST(Recipe, KernelsAndRulesOfDrafts) {
  RecipeBook book;
  book.rules = {rule("a"), rule("a")};
  book.rules[0].kernels = {{"moe", "mxfp4", "marlin", "b", "int4", {}, ExpertLayout::any, 0, {}}};
  book.rules[1].drafts = true;
  book.rules[1].max_num_seqs = 7;
  book.rules[1].expert_parallel = true;
  RecipeQuestion q;
  q.engine = "a";
  EXPECT_EQ(options_for(book, q).max_num_seqs, 0);
  q.drafts = true;
  EXPECT_EQ(options_for(book, q).max_num_seqs, 7);
  EXPECT_TRUE(options_for(book, q).expert_parallel);
  ASSERT_EQ(options_for(book, q).kernels.size(), 1U) << "the rule after it names none";
  EXPECT_EQ(options_for(book, q).kernels[0].backend, "b");
}

TEST(Recipe, RulesHoldForADayAndASize) {
  RecipeBook book;
  book.rules = {rule("a"), rule("a"), rule("a")};
  book.rules[0].measured_before = "2026-01-20";
  book.rules[0].max_num_seqs = 1;
  book.rules[1].measured_from = "2026-01-20";
  book.rules[1].max_num_seqs = 2;
  book.rules[2].tensor_from = 8;
  book.rules[2].attention_by_rank = true;
  RecipeQuestion q;
  q.engine = "a";
  EXPECT_EQ(options_for(book, q).max_num_seqs, 0) << "no day is neither before nor after";
  q.measured = "2025-11-02";
  EXPECT_EQ(options_for(book, q).max_num_seqs, 1);
  q.measured = "2026-01-20";
  EXPECT_EQ(options_for(book, q).max_num_seqs, 2);
  q.tensor = 4;
  EXPECT_FALSE(options_for(book, q).attention_by_rank);
  q.tensor = 8;
  EXPECT_TRUE(options_for(book, q).attention_by_rank);
}

TEST(Recipe, RulesHoldForAReleaseAndForRoundLengths) {
  const auto file = parse_yaml(
      "name: x\nsources: []\nrules:\n"
      "  - {engine: a, version: 1.3.0rc1, unpadded_graphs: true, sorted_sampling: true}\n"
      "  - {engine: a, input_multiple_of: 1000, requests_per_user: 50, distinct_prompts: 100,\n"
      "     reads_at_once: true}\n",
      "x.yaml");
  const RecipeBook book = recipe_schema().read(*file, "");
  RecipeQuestion q;
  q.engine = "a";
  q.input = 1024;
  EXPECT_FALSE(options_for(book, q).unpadded_graphs) << "no release is not that release";
  q.version = "1.3.0rc5";
  EXPECT_FALSE(options_for(book, q).unpadded_graphs);
  q.version = "1.3.0rc1";
  EXPECT_TRUE(options_for(book, q).unpadded_graphs);
  EXPECT_TRUE(options_for(book, q).sorted_sampling);
  EXPECT_FALSE(options_for(book, q).reads_at_once);
  EXPECT_EQ(options_for(book, q).requests_per_user, 0);
  q.input = 8000;
  EXPECT_EQ(options_for(book, q).requests_per_user, 50);
  EXPECT_EQ(options_for(book, q).distinct_prompts, 100);
  EXPECT_TRUE(options_for(book, q).reads_at_once);
  EXPECT_TRUE(options_for(book, q).unpadded_graphs) << "both hold";
}

// dsr1_fp8_b200_trt.sh and dsr1_fp8_b200_trt_mtp.sh of January 2026.
TEST(Recipe, PromptsOfDeepSeekRunInPiecewiseGraphsWhereTheScriptsSaySo) {
  const RecipeBook book = Library(TOLLGATE_REPOSITORY "/models").recipes("inferencex");
  RecipeQuestion q;
  q.engine = "trtllm";
  q.model = "DeepSeek-V3";
  q.device = "B200-SXM";
  q.precision = "fp8";
  q.tensor = 8;
  q.measured = "2026-01-29";
  const auto piecewise = [&](double input, double output, double users) {
    q.input = input;
    q.output = output;
    q.concurrency = users;
    return options_for(book, q).piecewise_prompts;
  };
  EXPECT_FALSE(piecewise(1024, 1024, 32));
  EXPECT_TRUE(piecewise(1024, 1024, 64));
  EXPECT_FALSE(piecewise(1024, 8192, 64));
  EXPECT_TRUE(piecewise(1024, 8192, 128));
  EXPECT_FALSE(piecewise(1024, 8192, 256));
  EXPECT_TRUE(piecewise(8192, 1024, 64));
  q.measured = "2025-12-15";
  EXPECT_FALSE(piecewise(8192, 1024, 64)) << "the script before had none";
  q.measured = "2026-02-05";
  q.drafts = true;
  EXPECT_FALSE(piecewise(1024, 1024, 4));
  EXPECT_TRUE(piecewise(1024, 1024, 8));
  EXPECT_FALSE(piecewise(1024, 8192, 8));
  EXPECT_TRUE(piecewise(8192, 1024, 32));
  q.tensor = 1;
  q.data_attention = 8;
  EXPECT_FALSE(piecewise(8192, 1024, 32)) << "not with data-parallel attention";
  // In FP4 with some numbers of users, with data-parallel attention up to 64 of them.
  q.precision = "nvfp4";
  EXPECT_TRUE(piecewise(1024, 1024, 64));
  EXPECT_FALSE(piecewise(1024, 1024, 128));
  q.tensor = 8;
  q.data_attention = 1;
  EXPECT_FALSE(piecewise(1024, 1024, 16));
  EXPECT_TRUE(piecewise(1024, 1024, 128));
  EXPECT_FALSE(piecewise(1024, 1024, 256));
  EXPECT_TRUE(piecewise(1024, 8192, 64));
  EXPECT_FALSE(piecewise(1024, 8192, 128));
  q.drafts = false;
  EXPECT_TRUE(piecewise(1024, 1024, 64));
  EXPECT_FALSE(piecewise(1024, 8192, 64));
}

TEST(Recipe, OnlyTensorRtLlmIsSizedByItsBenchmark) {
  const auto file =
      parse_yaml("name: x\nsources: []\nrules:\n  - {engine: vllm, bench_sizes: true}\n", "x.yaml");
  try {
    recipe_schema().read(*file, "");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "x.yaml:4:33: rules[0].bench_sizes goes with engine trtllm, whose benchmark "
                 "chooses them.");
  }
}

/// With drafts a step feeds more tokens, and those of one data-parallel rank count.
TEST(Recipe, TheBudgetLeavesRoomForDrafts) {
  RecipeBook book;
  book.rules = {rule("a")};
  book.rules[0].prompt_budget = 64;
  book.rules[0].draft_tokens = 3;
  RecipeQuestion q;
  q.engine = "a";
  q.input = 1024;
  q.concurrency = 100;
  EXPECT_EQ(options_for(book, q).batched_tokens, 1024 + 100 + 64);
  q.drafts = true;
  EXPECT_EQ(options_for(book, q).batched_tokens, 1024 + 4 * 100 + 64);
  q.data_attention = 8;
  EXPECT_EQ(options_for(book, q).batched_tokens, 1024 + 4 * 13 + 64);
}

/// Names of the shipped rules exist, and acceptance rises with drafts up to four.
TEST(Recipe, ShippedRecipesNameWhatIsThere) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const auto known = [&](Library::Shelf shelf) {
    const auto names = library.names(shelf);
    return std::set<std::string>(names.begin(), names.end());
  };
  const auto models = known(Library::Shelf::llm), devices = known(Library::Shelf::hardware),
             engines = known(Library::Shelf::engines);
  for (const char* name : {"inferencex", "nvidia_internal", "trtllm_bench"}) {
    const RecipeBook book = library.recipes(name);
    EXPECT_EQ(book.name, name);
    EXPECT_FALSE(book.sources.empty());
    for (const RecipeRule& r : book.rules) {
      for (const std::string& day : {r.measured_from, r.measured_before})
        EXPECT_TRUE(day.empty() || (is_date(day) && day.size() == 10)) << day;
      EXPECT_TRUE(engines.count(r.engine)) << r.engine;
      for (const std::string& m : r.models) EXPECT_TRUE(models.count(m)) << m;
      for (const std::string& d : r.devices) EXPECT_TRUE(devices.count(d)) << d;
    }
    for (const AcceptanceRow& a : book.acceptance) {
      for (const std::string& m : a.models) EXPECT_TRUE(models.count(m)) << m;
      for (std::size_t k = 1; k < 4; ++k) EXPECT_GT(a.lengths[k], a.lengths[k - 1]);
    }
  }
  EXPECT_TRUE(library.recipes("nobody").rules.empty());
  const RecipeBook book = library.recipes("inferencex");
  EXPECT_DOUBLE_EQ(acceptance_of(book, "Qwen3.5-397B-A17B", 1), 1.93);
  EXPECT_EQ(acceptance_of(book, "Llama-3.1-8B", 1), 0);
  EXPECT_EQ(acceptance_of(book, "Qwen3.5-397B-A17B", 99), 0);
}

}  // namespace
}  // namespace tollgate
