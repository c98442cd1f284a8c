#include "sim/placement/memory_plan.h"

#include <gtest/gtest.h>

#include "sim/spec/library.h"

namespace tollgate {
namespace {

struct Case {
  LlmSpec model;
  HardwareSpec hardware;
  EngineSpec engine;
  DeploymentSpec spec;
  MethodSpec method;

  Case(const char* model_name, const char* hardware_name) {
    Library library(TOLLGATE_REPOSITORY "/models");
    model = library.model(model_name, {});
    hardware = library.hardware(hardware_name, {});
    engine = library.engine("vllm", {});
    spec = with_engine_defaults({}, engine, hardware);
  }
  MemoryPlan plan(Deployment d, double context) const {
    return plan_memory(model, hardware, d, deployed_precision(model, spec), spec, method, context,
                       step_tokens(engine, spec, d, hardware));
  }
};

TEST(memory_plan, weights_over_all_ranks_are_the_checkpoint_when_nothing_is_replicated) {
  // Llama has 8 key-value heads, so eight ranks split everything.
  const Case c("Llama-3.1-70B", "H200-SXM");
  const double stored = weight_bytes(c.model, c.model.precision).total();
  EXPECT_NEAR(c.plan({8, 1, 1, 1}, 4000).weights * 8 / stored, 1, 0.001);
  EXPECT_NEAR(c.plan({1, 1, 1, 1}, 4000).weights / stored, 1, 0.001);
}

TEST(memory_plan, llama_405b_in_bf16_does_not_fit_a_machine_of_h100_but_does_in_fp8) {
  Case c("Llama-3.1-405B", "H100-SXM");
  EXPECT_FALSE(c.plan({8, 1, 1, 1}, 2000).fits());  // 810 GB of weights, 8 x 80 GB x 0.9 usable
  c.spec.weights = Precision::fp8;
  EXPECT_TRUE(c.plan({8, 1, 1, 1}, 2000).fits());
}

TEST(memory_plan, kv_cache_per_sequence_is_the_published_figure_times_the_context) {
  const Case c("Llama-3.1-405B", "B200-SXM");
  const double context = 10000;
  // 516,096 bytes per token (arXiv 2505.09343), split over eight ranks; blocks add 8 tokens.
  EXPECT_NEAR(c.plan({8, 1, 1, 1}, context).kv_per_sequence, 516096.0 / 8 * (context + 8), 1);
}

// gpt-oss-120b: 18 of 36 layers see 128 tokens, 2 x 8 heads of 64 elements of 2 bytes in each.
TEST(memory_plan, layers_with_a_window_cache_it_alone_where_the_engine_can) {
  Case c("gpt-oss-120b", "H200-SXM");
  const double context = 10000, layer = 2 * 8 * 64 * 2;
  EXPECT_NEAR(c.plan({1, 1, 1, 1}, context).kv_per_sequence,
              18 * layer * (context + 8) + 18 * layer * 128, 1);
  c.spec = with_engine_defaults({}, Library(TOLLGATE_REPOSITORY "/models").engine("trtllm", {}),
                                c.hardware);
  EXPECT_EQ(c.spec.window_cache, WindowCache::sequence);
  EXPECT_NEAR(c.plan({1, 1, 1, 1}, context).kv_per_sequence, 36 * layer * (context + 8), 1);
}

// TensorRT-LLM's share is of what weights, workspace and runtime leave (free_gpu_memory_fraction).
TEST(memory_plan, a_share_of_free_memory_leaves_more_beside_heavy_weights) {
  Case c("Llama-3.1-70B", "H200-SXM");
  const MemoryPlan device = c.plan({2, 1, 1, 1}, 4000);
  c.spec.memory_utilisation_of = MemoryBase::free;
  const MemoryPlan free = c.plan({2, 1, 1, 1}, 4000);
  const double rest = free.weights + free.activations + free.runtime_overhead;
  EXPECT_NEAR(free.for_sequences, 0.9 * (c.hardware.memory - rest), 1);
  EXPECT_NEAR(free.for_sequences - device.for_sequences, 0.1 * rest, 1);
  EXPECT_NEAR(free.capacity, rest + free.for_sequences, 1);
  Case tight("Llama-3.1-70B", "H100-SXM");
  tight.spec.memory_utilisation_of = MemoryBase::free;
  const MemoryPlan none = tight.plan({1, 1, 1, 1}, 4000);
  EXPECT_FALSE(none.fits()) << "141 GB of weights leave nothing to share";
  EXPECT_LT(none.for_sequences, 0);
  EXPECT_DOUBLE_EQ(none.capacity, tight.hardware.memory);
}

TEST(memory_plan, data_parallel_attention_multiplies_the_room_for_a_latent_cache) {
  const Case c("DeepSeek-V3", "H200-SXM");
  const MemoryPlan tensor = c.plan({8, 1, 8, 1}, 4000);
  const MemoryPlan data = c.plan({1, 1, 8, 8}, 4000);
  EXPECT_GT(data.largest_batch, 2 * tensor.largest_batch);
  EXPECT_GT(data.weights, tensor.weights) << "attention weights are on every rank";
}

double activations(const Case& c, Deployment d, const StepTokens& tokens) {
  return plan_memory(c.model, c.hardware, d, deployed_precision(c.model, c.spec), c.spec, c.method,
                     2000, tokens)
      .activations;
}

// 4 choices of a token, hidden and expert width 2880, gate and up together 5760, 2 bytes each.
TEST(memory_plan, experts_make_room_for_every_choice_of_every_token_gathered) {
  const Case c("gpt-oss-120b", "H100-SXM");
  const double of_token = 4 * 2.0 * (2880 + 5760);
  EXPECT_DOUBLE_EQ(activations(c, {1, 1, 4, 4}, {8192, 4 * 8192}), 4 * 8192 * of_token);
  // 64 heads of 64 at 22 x 2 bytes a token are more than the choices of one group's tokens.
  EXPECT_DOUBLE_EQ(activations(c, {1, 1, 4, 4}, {8192, 8192}), 8192 * 2.0 * 64 * 64 * 22);
  // Experts cut over four ranks: 720 wide, gate and up 1440, rows still 2880.
  EXPECT_DOUBLE_EQ(activations(c, {1, 1, 1, 4}, {8192, 4 * 8192}),
                   4 * 8192 * 4 * 2.0 * (2880 + 2880));
}

// vllm-project/vllm pull request 57270, estimates of its author: ranks, tokens of each, GiB in two
// figures of balanced and of worst routing. On 32 ranks GLM-4.6 has 5 experts each, fewer than its
// 8 choices. Blocks that DeepGEMM rounds up to are in the balanced figures.
TEST(memory_plan, experts_buffers_are_what_vllm_reserves) {
  struct Published {
    const char* model;
    int ranks, tokens;
    double balanced, worst;
  };
  for (const Published& p : {Published{"GLM-4.6", 16, 8192, 1.3, 20},
                             {"GLM-4.6", 16, 16384, 2.5, 40},
                             {"GLM-4.6", 32, 8192, 1.3, 25},
                             {"GLM-4.6", 32, 16384, 2.5, 50},
                             {"GLM-5", 16, 8192, 1.6, 24},
                             {"GLM-5", 16, 16384, 3.1, 48},
                             {"GLM-5", 32, 8192, 1.5, 48},
                             {"GLM-5", 32, 16384, 3.0, 96}}) {
    Case c(p.model, "H200-SXM");
    c.spec.batched_tokens = p.tokens;
    const Deployment ranks{1, 1, p.ranks, p.ranks};
    const auto of_experts = [&] {
      StepTokens tokens = step_tokens(c.engine, c.spec, ranks, c.hardware);
      tokens.of_group = 0;  // leaves the experts' part alone
      return activations(c, ranks, tokens) / (1 << 30);
    };
    EXPECT_NEAR(of_experts() / p.worst, 1, 0.025) << p.model << " on " << p.ranks;
    c.engine.expert_exchange = ExpertExchange::deepep;
    EXPECT_NEAR(of_experts() / p.balanced, 1, 0.07) << p.model << " on " << p.ranks;
  }
}

TEST(memory_plan, tokens_of_a_step_meet_at_the_experts) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const HardwareSpec h100 = library.hardware("H100-SXM", {});
  EngineSpec engine = library.engine("vllm", {});
  const auto tokens = [&](int groups, int expert_ranks) {
    DeploymentSpec spec;
    spec.batched_tokens = 8192;
    return step_tokens(engine, spec, {1, 1, expert_ranks, groups}, h100);
  };
  EXPECT_EQ(tokens(4, 4).of_group, 8192);
  EXPECT_EQ(tokens(4, 4).at_experts, 4 * 8192);
  EXPECT_FALSE(tokens(4, 4).sent);
  engine.expert_chunk = 16384;
  EXPECT_EQ(tokens(4, 4).at_experts, 16384);
  EXPECT_EQ(tokens(1, 1).at_experts, 8192);
  engine.expert_exchange = ExpertExchange::deepep;
  EXPECT_TRUE(tokens(4, 4).sent);
  EXPECT_FALSE(tokens(4, 1).sent) << "slices of experts need every token";
  EXPECT_FALSE(tokens(1, 4).sent) << "one group has nobody to send to";
  // SGLang shares its chunk among the groups: all of them together have one.
  engine = library.engine("sglang", {});
  EXPECT_EQ(tokens(4, 4).of_group, 2048);
  EXPECT_EQ(tokens(4, 4).at_experts, 8192);
}

TEST(memory_plan, the_largest_captured_batch_is_the_one_that_can_run) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const HardwareSpec h100 = library.hardware("H100-SXM", {});
  EngineSpec engine = library.engine("trtllm", {});
  DeploymentSpec spec;
  spec.batched_tokens = 8192;
  const auto captured = [&] { return step_tokens(engine, spec, {1, 1, 1, 1}, h100).captured; };
  spec.max_num_seqs = 2048;
  EXPECT_EQ(captured(), 128) << "the default graphs end there";
  spec.max_num_seqs = 20;
  EXPECT_EQ(captured(), 20);
  spec.mtp_draft_tokens = 3;
  EXPECT_EQ(captured(), 80) << "every draft is a row";
  spec.max_num_seqs = 2048;
  EXPECT_EQ(captured(), 512) << "graphs are of so many sequences";
  spec.batched_tokens = 64;
  EXPECT_EQ(captured(), 64) << "and of no more than a step feeds";
  engine.graphs_before_cache = false;
  EXPECT_EQ(captured(), 0);
  EXPECT_EQ(step_tokens(library.engine("vllm", {}), spec, {1, 1, 1, 1}, h100).captured, 0);
}

// gpt-oss-120b: 201,088 logits of a row, 2 bytes and as much again twice as fp32; 4 choices of
// 8640 elements of 2 bytes at the experts, where four groups meet.
TEST(memory_plan, graphs_keep_their_buffers_and_logits_from_the_cache) {
  const Case c("gpt-oss-120b", "H100-SXM");
  const auto runtime = [&](Deployment d, double captured) {
    StepTokens tokens = step_tokens(c.engine, c.spec, d, c.hardware);
    tokens.captured = captured;
    return plan_memory(c.model, c.hardware, d, deployed_precision(c.model, c.spec), c.spec,
                       c.method, 2000, tokens)
        .runtime_overhead;
  };
  const auto pool = [&](Deployment d) { return runtime(d, 2048) - runtime(d, 0); };
  const double logits = 2048.0 * 201088;
  EXPECT_NEAR(pool({1, 1, 4, 4}), 4 * 2048 * 4 * 2.0 * 8640 + logits * 6, 1);
  // A slice of the vocabulary, gathered; experts 720 wide and of one group's tokens, fewer than
  // 64 heads of 64 at 10 x 2 bytes.
  EXPECT_NEAR(pool({4, 1, 1, 1}), 2048 * 2.0 * 64 * 64 * 10 + logits * 6.5, 1);
  EXPECT_NEAR(pool({1, 2, 1, 1}), pool({1, 1, 1, 1}), 1) << "the last stage is the fullest";
}

TEST(memory_plan, graphs_take_their_memory_from_the_cache) {
  Case c("gpt-oss-120b", "H100-SXM");
  c.engine = Library(TOLLGATE_REPOSITORY "/models").engine("trtllm", {});
  c.spec = with_engine_defaults({}, c.engine, c.hardware);
  c.engine.graphs.push_back({2048, 128, {}});
  const MemoryPlan with = c.plan({1, 1, 4, 4}, 2000);
  c.engine.graphs_before_cache = false;
  const MemoryPlan without = c.plan({1, 1, 4, 4}, 2000);
  EXPECT_NEAR(without.for_sequences - with.for_sequences,
              0.9 * (with.runtime_overhead - without.runtime_overhead), 1);
  EXPECT_LT(with.largest_batch, without.largest_batch);
}

TEST(memory_plan, pipeline_stages_split_weights_and_cache) {
  const Case c("Llama-3.1-70B", "H200-SXM");
  const MemoryPlan one = c.plan({1, 1, 1, 1}, 4000), four = c.plan({1, 4, 1, 1}, 4000);
  EXPECT_NEAR(four.kv_per_sequence * 4, one.kv_per_sequence, one.kv_per_sequence * 0.001);
  EXPECT_LT(four.weights, one.weights / 3);
}

TEST(memory_plan, a_longer_context_never_allows_more_sequences) {
  for (const char* name : {"DeepSeek-V3.2", "Qwen3.5-397B-A17B", "gpt-oss-120b", "Llama-3.1-70B"}) {
    const Case c(name, "B200-SXM");
    double previous = 1e18;
    for (double context = 100; context < 1e6; context *= 3) {
      const double batch = c.plan({8, 1, 1, 1}, context).largest_batch;
      EXPECT_LE(batch, previous) << name << " at " << context;
      previous = batch;
    }
  }
}

TEST(memory_plan, max_batch_caps_the_batch) {
  Case c("Llama-3.1-8B", "H200-SXM");
  c.spec.max_batch = 7;
  EXPECT_EQ(c.plan({1, 1, 1, 1}, 1000).largest_batch, 7);
}

TEST(memory_plan, an_override_narrows_weights_and_never_widens_them) {
  Case c("gpt-oss-120b", "H200-SXM");
  c.spec.weights = Precision::fp8;
  const PrecisionMap p = deployed_precision(c.model, c.spec);
  EXPECT_EQ(p.experts, Precision::mxfp4);
  EXPECT_EQ(p.attention, Precision::fp8);
  EXPECT_EQ(p.embedding, Precision::bf16);
}

TEST(memory_plan, an_override_means_the_published_checkpoint_where_there_is_one) {
  // nvidia/Kimi-K2.6-NVFP4: routed experts alone; the shipped ones are in int4, no wider.
  Case kimi("Kimi-K2.5", "B200-SXM");
  kimi.spec.weights = Precision::nvfp4;
  const PrecisionMap p = deployed_precision(kimi.model, kimi.spec);
  EXPECT_EQ(p.experts, Precision::nvfp4);
  EXPECT_EQ(p.attention, Precision::bf16);
  EXPECT_EQ(p.shared_experts, Precision::bf16);
  // nvidia/DeepSeek-R1-0528-FP4: attention is wider than the shipped fp8.
  Case deepseek("DeepSeek-R1", "B200-SXM");
  EXPECT_EQ(deepseek.model.precision.attention, Precision::fp8);
  deepseek.spec.weights = Precision::nvfp4;
  const PrecisionMap q = deployed_precision(deepseek.model, deepseek.spec);
  EXPECT_EQ(q.attention, Precision::bf16);
  EXPECT_EQ(q.shared_experts, Precision::nvfp4);
}

}  // namespace
}  // namespace tollgate
