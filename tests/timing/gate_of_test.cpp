// Proves: every model in models/ names the gate that its publisher and the public kernels use, and
// the engine accepts and draws it. The table is written out from the publishers' configurations.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "kernels/registry.h"
#include "sim/spec/library.h"
#include "sim/timing/routing_table.h"

namespace tollgate {
namespace {

using kernels::BiasMode;
using kernels::GateSpec;
using kernels::GroupReduce;
using kernels::ScoreFunction;
using kernels::ScoreOrder;

struct Named {
  int experts;
  GateSpec gate;
};

GateSpec gate(ScoreFunction score, int top_k, double scale = 1) {
  GateSpec g;
  g.score = score;
  g.top_k = top_k;
  g.scale = scale;
  g.renormalise = true;
  return g;
}

GateSpec biased(ScoreFunction score, int top_k, double scale = 1) {
  GateSpec g = gate(score, top_k, scale);
  g.bias = BiasMode::on_score;
  return g;
}

GateSpec not_renormalised(GateSpec g) {
  g.renormalise = false;
  return g;
}

GateSpec top_k_first(GateSpec g) {
  g.order = ScoreOrder::top_k_then_score;
  return g;
}

GateSpec grouped(GateSpec g, int groups, int kept, GroupReduce reduce) {
  g.groups = groups;
  g.groups_kept = kept;
  g.group_reduce = reduce;
  return g;
}

GateSpec hashed(GateSpec g) {
  g.hash = true;
  return g;
}

/// "model/layer kind" to experts and gate.
std::map<std::string, Named> published_gates() {
  using enum ScoreFunction;
  std::map<std::string, Named> all;
  const GateSpec v3 = grouped(biased(sigmoid, 8, 2.5), 8, 4, GroupReduce::top2_sum);
  for (const char* name : {"DeepSeek-R1", "DeepSeek-V3", "DeepSeek-V3.2"}) {
    all[std::string(name) + "/moe"] = {256, v3};
  }
  all["DeepSeek-V2-Lite/moe"] = {64, not_renormalised(gate(softmax, 6))};
  all["DeepSeek-V2/moe"] = {
      160, grouped(not_renormalised(gate(softmax, 6, 16)), 8, 3, GroupReduce::max)};
  all["DeepSeek-V4-Flash/moe"] = {256, biased(sqrt_softplus, 6, 1.5)};
  all["DeepSeek-V4-Flash/moe_hash"] = {256, hashed(gate(sqrt_softplus, 6, 1.5))};
  all["DeepSeek-V4-Pro/moe"] = {384, biased(sqrt_softplus, 6, 2.5)};
  all["DeepSeek-V4-Pro/moe_hash"] = {384, hashed(gate(sqrt_softplus, 6, 2.5))};
  all["ERNIE-4.5-300B-A47B/moe"] = {64, biased(softmax, 8)};
  for (const char* name : {"GLM-4.5", "GLM-4.6"}) {
    all[std::string(name) + "/moe"] = {160, biased(sigmoid, 8, 2.5)};
  }
  for (const char* name : {"GLM-5", "GLM-5.1", "GLM-5.2"}) {
    all[std::string(name) + "/moe"] = {256, biased(sigmoid, 8, 2.5)};
  }
  GateSpec gemma = gate(softmax, 8);
  gemma.expert_scale = true;
  all["Gemma-4-26B-A4B/moe"] = {128, gemma};
  all["Kimi-K2/moe"] = {384, biased(sigmoid, 8, 2.827)};
  all["Kimi-K2.5/moe"] = {384, biased(sigmoid, 8, 2.827)};
  all["Kimi-K3/moe"] = {896, biased(sigmoid, 16)};
  all["Llama-4-Maverick/moe"] = {128, not_renormalised(top_k_first(gate(sigmoid, 1)))};
  all["Llama-4-Scout/moe"] = {16, not_renormalised(top_k_first(gate(sigmoid, 1)))};
  GateSpec longcat = not_renormalised(biased(softmax, 12, 6));
  longcat.zero_experts = 256;
  all["LongCat-Flash/moe"] = {512, longcat};
  all["MiMo-V2-Flash/moe"] = {256, biased(sigmoid, 8)};
  all["MiniMax-M1/moe"] = {32, gate(softmax, 2)};
  all["MiniMax-M2.5/moe"] = {256, biased(sigmoid, 8)};
  all["MiniMax-M2.7/moe"] = {256, biased(sigmoid, 8)};
  all["MiniMax-M3/moe"] = {128, biased(sigmoid, 4, 2)};
  all["Mixtral-8x22B/moe"] = {8, top_k_first(gate(softmax, 2))};
  all["Mixtral-8x7B/moe"] = {8, top_k_first(gate(softmax, 2))};
  all["Nemotron-3-Nano-30B-A3B/moe"] = {128, biased(sigmoid, 6, 2.5)};
  all["OLMoE-1B-7B/moe"] = {64, not_renormalised(gate(softmax, 8))};
  GateSpec pangu = grouped(gate(softmax, 8), 8, 8, GroupReduce::max);
  pangu.each_group = true;
  all["Pangu-Pro-MoE-72B-A16B/moe"] = {64, pangu};
  all["Qwen3-235B-A22B/moe"] = {128, gate(softmax, 8)};
  all["Qwen3-30B-A3B/moe"] = {128, gate(softmax, 8)};
  all["Qwen3-Coder-480B-A35B/moe"] = {160, gate(softmax, 8)};
  all["Qwen3.5-122B-A10B/moe"] = {256, gate(softmax, 8)};
  all["Qwen3.5-35B-A3B/moe"] = {256, gate(softmax, 8)};
  all["Qwen3.5-397B-A17B/moe"] = {512, gate(softmax, 10)};
  all["Step-3/moe"] = {48, not_renormalised(gate(softmax, 3))};
  all["Step-3.5-Flash/moe"] = {288, biased(sigmoid, 8, 3)};
  all["Step-3.7-Flash/moe"] = {288, biased(sigmoid, 8, 3)};
  GateSpec gpt_oss = top_k_first(gate(softmax, 4));
  gpt_oss.bias = BiasMode::on_logit_and_weight;
  all["gpt-oss-120b/moe"] = {128, gpt_oss};
  all["gpt-oss-20b/moe"] = {32, gpt_oss};
  return all;
}

TEST(GateOf, EveryModelNamesItsPublishedGate) {
  Library library(Library::find_root());
  std::map<std::string, Named> expected = published_gates();
  for (const std::string& name : library.names(Library::Shelf::llm)) {
    const LlmSpec model = library.model(name, {"test", 0, 0});
    for (const FfnSpec& ffn : model.ffns) {
      if (ffn.kind != FfnKind::moe) continue;
      const std::string key = name + "/" + ffn.name;
      const auto found = expected.find(key);
      if (found == expected.end()) {
        ADD_FAILURE() << key << " has no published gate in this test's table";
        continue;
      }
      const GateSpec ours = gate_of(ffn), theirs = found->second.gate;
      EXPECT_EQ(ffn.experts, found->second.experts) << key;
      EXPECT_EQ(ours.score, theirs.score) << key;
      EXPECT_EQ(ours.order, theirs.order) << key;
      EXPECT_EQ(ours.bias, theirs.bias) << key;
      EXPECT_EQ(ours.groups, theirs.groups) << key;
      EXPECT_EQ(ours.groups_kept, theirs.groups_kept) << key;
      EXPECT_EQ(ours.group_reduce, theirs.group_reduce) << key;
      EXPECT_EQ(ours.each_group, theirs.each_group) << key;
      EXPECT_EQ(ours.top_k, theirs.top_k) << key;
      EXPECT_EQ(ours.zero_experts, theirs.zero_experts) << key;
      EXPECT_EQ(ours.hash, theirs.hash) << key;
      EXPECT_EQ(ours.renormalise, theirs.renormalise) << key;
      EXPECT_EQ(ours.expert_scale, theirs.expert_scale) << key;
      EXPECT_EQ(ours.scale, theirs.scale) << key;
      expected.erase(found);
    }
  }
  for (const auto& [key, gate] : expected) ADD_FAILURE() << key << " is not in models/llm";
}

TEST(GateOf, TheEngineRoutesEveryModel) {
  Library library(Library::find_root());
  for (const auto& [key, named] : published_gates()) {
    const std::string name = key.substr(0, key.find('/'));
    const LlmSpec model = library.model(name, {"test", 0, 0});
    for (const FfnSpec& ffn : model.ffns) {
      if (ffn.kind != FfnKind::moe || name + "/" + ffn.name != key) continue;
      kernels::RoutingProblem problem;
      problem.gate = gate_of(ffn);
      problem.experts = ffn.experts;
      problem.popularity = popularity_of(library.popularity(model.family));
      problem.tokens = 64;
      problem.batch_sizes = {64};
      problem.rank_counts = {1};
      const auto& tbb = kernels::find_backend("tbb");
      EXPECT_EQ(tbb.route(problem), kernels::find_backend("reference").route(problem)) << key;
    }
  }
}

// LongCat-Flash: of 12 choices 512 / 768 fall on experts with weights, so that the mean rows of a
// rank, which step times multiply with the busiest ratio, are 8 per token.
TEST(GateOf, TablesOfZeroExpertsAreRelativeToRealChoices) {
  Library library(Library::find_root());
  const LlmSpec model = library.model("LongCat-Flash", {"test", 0, 0});
  for (const FfnSpec& ffn : model.ffns) {
    if (ffn.kind != FfnKind::moe) continue;
    RoutingSpec spec;
    spec.popularity = RoutingSpec::Popularity::uniform;
    spec.layers = 4;
    spec.tokens = 1024;
    const auto tables = make_routing_tables(ffn, library.popularity(model.family), spec, 1, {8},
                                            kernels::find_backend("tbb"));
    const RoutingTable::Point one = tables[0].at(1), many = tables[0].at(1024);
    // Distinct ranks of 8 draws without replacement from 8 blocks of 64; the number of draws varies
    // around 8, which lowers the mean a little (concave): 5.29 at exactly 8.
    EXPECT_NEAR(tables[0].destination_ranks(), 5.2, 0.15);
    EXPECT_NEAR(one.distinct, 8.0, 0.3);
    // The busiest of 8 binomial loads of 1024: 1 + 1.42 / sqrt(1024), +-2 %.
    EXPECT_NEAR(many.busiest_ratio, 1.042, 0.02);
  }
}

}  // namespace
}  // namespace tollgate
