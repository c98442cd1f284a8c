#include "sim/timing/step_model.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <set>

#include "kernels/registry.h"
#include "sim/placement/memory_plan.h"
#include "sim/spec/library.h"
#include "sim/timing/compute_path.h"

namespace tollgate {
namespace {

FamilyPopularity popularity(const LlmSpec& model) {
  Library library(TOLLGATE_REPOSITORY "/models");
  return library.popularity(model.family);
}

RoutingTables tables(const LlmSpec& model, int ranks) {
  RoutingTables out(model.ffns.size());
  RoutingSpec spec;
  spec.layers = 2;
  spec.tokens = 2048;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (model.ffns[i].kind != FfnKind::moe) continue;
    out[i].decode = make_routing_tables(model.ffns[i], popularity(model), spec, 1, {ranks},
                                        kernels::find_backend("tbb"));
    out[i].prefill = make_routing_tables(model.ffns[i], popularity(model), spec, 1, {ranks},
                                         kernels::find_backend("tbb"), 512);
  }
  return out;
}

struct Case {
  LlmSpec model;
  HardwareSpec hardware;
  Deployment deployment;
  DeploymentSpec spec;
  EngineSpec engine;
  RoutingTables routing;
  std::shared_ptr<const EngineCurves> curves;

  Case(const char* model_name, const char* hardware_name, Deployment d,
       ExpertExchange exchange = ExpertExchange::allgather_reducescatter)
      : deployment(d) {
    static Library library(TOLLGATE_REPOSITORY "/models");
    model = library.model(model_name, {});
    hardware = library.hardware(hardware_name, {});
    engine = library.engine("vllm", {});
    engine.expert_exchange = exchange;
    routing = tables(model, d.expert);
    curves = with(engine);
  }
  std::shared_ptr<const EngineCurves> with(const EngineSpec& e) const {
    static Library library(TOLLGATE_REPOSITORY "/models");
    static const auto files = std::make_shared<CurveFiles>(library);
    return std::make_shared<EngineCurves>(files, hardware, e);
  }
  StepModel step_model() const {
    return StepModel(model, *curves, deployment, deployed_precision(model, spec), spec, engine,
                     routing);
  }
};

/// The parameters of the curve that stands for the experts, and of a kernel in the shipped file.
std::vector<double> expert_parameters(const Case& c) {
  const StepModel model = c.step_model();
  for (const auto& [name, curve] : model.curves()) {
    if (name == "experts") return curve->choice.parameters;
  }
  return {};
}
std::vector<double> shipped_parameters(const char* device, const char* backend,
                                       const char* kernel) {
  static Library library(TOLLGATE_REPOSITORY "/models");
  static CurveFiles files(library);
  for (const FittedCurve& c : files.of(device).curves) {
    if (c.op == "moe" && c.backend == backend && c.precision == "fp8_block" &&
        c.kernel.find(kernel) != std::string::npos) {
      return c.parameters;
    }
  }
  return {};
}

/// vLLM from 0.17 on takes Triton for sliced experts and CUTLASS for whole ones on Hopper (
/// pull request 34260).
TEST(StepModel, ExpertsRunOnTheKernelThatTheEnginePicks) {
  const auto of = [](const char* kernel) { return shipped_parameters("H200-SXM", "vllm", kernel); };
  ASSERT_NE(of("triton"), of("cutlass"));
  const Case sliced("MiniMax-M2.5", "H200-SXM", {4, 1, 1, 1});
  EXPECT_EQ(expert_parameters(sliced), of("triton"));
  EXPECT_EQ(expert_parameters(Case("MiniMax-M2.5", "H200-SXM", {4, 1, 4, 1})), of("cutlass"));
  const Case blackwell("MiniMax-M2.5", "B200-SXM", {4, 1, 1, 1});
  EXPECT_EQ(expert_parameters(blackwell),
            shipped_parameters("B200-SXM", "vllm", "trtllmfp8expertsmonolithic"))
      << "the rule is one of Hopper";
}

StepLoad decode(double sequences, double context) {
  StepLoad load;
  load.decode_sequences = sequences;
  load.decode_context = context;
  return load;
}
StepLoad prefill(double tokens, double context) {
  StepLoad load;
  load.prefill_tokens = tokens;
  load.prefill_context = context;
  load.prompts_finished = 1;
  return load;
}

struct Named {
  const char* model;
  Deployment deployment;
};
const Named cases[] = {{"Llama-3.1-70B", {8, 1, 1, 1}},     {"Llama-3.1-405B", {8, 2, 1, 1}},
                       {"DeepSeek-V3.2", {1, 1, 8, 8}},     {"DeepSeek-R1", {8, 1, 8, 1}},
                       {"Qwen3.5-397B-A17B", {4, 1, 8, 2}}, {"gpt-oss-120b", {2, 1, 1, 1}},
                       {"DeepSeek-V4-Flash", {8, 1, 1, 1}}, {"MiniMax-M2.5", {4, 1, 4, 1}}};

TEST(step_model, the_breakdown_adds_up_to_the_fast_sum) {
  for (const Named& n : cases) {
    const Case c(n.model, "H200-SXM", n.deployment);
    const StepModel model = c.step_model();
    for (StepLoad load :
         {decode(64, 3000), prefill(8192, 4096), StepLoad{4096, 2000, 0, 1, 50, 2500}}) {
      const StepTime t = model.detail(load);
      EXPECT_NEAR(t.seconds(), model.seconds(load), 1e-9 * t.seconds()) << n.model;
      double classes = 0;
      for (const StepTime::Class& part : t.by_class) classes += part.seconds();
      EXPECT_NEAR(classes, t.seconds(), 1e-9 * t.seconds()) << n.model;
    }
  }
}

TEST(step_model, more_work_never_takes_less_time) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> grow(1.0, 3.0);
  for (const Named& n : cases) {
    const Case c(n.model, "B200-SXM", n.deployment);
    const StepModel model = c.step_model();
    for (int i = 0; i < 200; ++i) {
      StepLoad a{std::exp(grow(random) * 2),   grow(random) * 500, 0, 1,
                 std::exp(grow(random) * 1.5), grow(random) * 900};
      StepLoad b = a;
      switch (i % 4) {
        case 0:
          b.prefill_tokens *= grow(random);
          break;
        case 1:
          b.prefill_context *= grow(random);
          break;
        case 2:
          b.decode_sequences *= grow(random);
          break;
        default:
          b.decode_context *= grow(random);
          break;
      }
      // Interpolated Monte Carlo statistics may wiggle by a fraction of a per cent.
      EXPECT_GE(model.seconds(b), model.seconds(a) * 0.99) << n.model << " case " << i;
    }
  }
}

// Speed of light: no step beats reading the touched weights and the cache once at full bandwidth,
// nor doing its arithmetic at the peak rate.
TEST(step_model, no_decode_step_beats_the_roofline) {
  for (const char* name : {"Llama-3.1-70B", "Llama-3.1-405B", "Qwen3-32B", "Mistral-Large-2407"}) {
    const Case c(name, "H200-SXM", {8, 1, 1, 1});
    const StepModel model = c.step_model();
    const ParameterCount count = count_parameters(c.model);
    for (const double batch : {1.0, 16.0, 256.0}) {
      const double context = 4000;
      const PrecisionMap& p = c.model.precision;
      const double bytes = (count.total() - count.embedding) * 2 +
                           batch * sequence_bytes(c.model, p, context).total();
      const double flops = 2 * (count.total() - count.embedding) * batch;
      const double bound =
          std::max(bytes / (8 * c.hardware.memory_bandwidth), flops / (8 * c.hardware.peak.bf16));
      EXPECT_GE(model.seconds(decode(batch, context)), bound) << name << " batch " << batch;
    }
  }
}

TEST(step_model, a_prefill_step_of_a_dense_model_is_near_its_arithmetic) {
  // Long chunk, eight ranks: matrix products dominate and run between half of and the full peak.
  const Case c("Llama-3.1-70B", "H200-SXM", {8, 1, 1, 1});
  const double tokens = 16384;
  const double flops = 2 * (count_parameters(c.model).total() - 2 * 128256.0 * 8192) * tokens;
  const double ideal = flops / (8 * c.hardware.peak.bf16);
  const StepTime t = c.step_model().detail(prefill(tokens, 1));
  const double gemm = t.of(OperatorClass::gemm).seconds();
  EXPECT_GT(gemm, ideal);
  EXPECT_LT(gemm, 2 * ideal);
}

TEST(step_model, a_decode_step_at_batch_one_reads_only_the_chosen_experts) {
  // 671B parameters take 5.6x the bytes of Llama-70B in fp8, but one token touches 8 of 256
  // experts.
  const Case moe("DeepSeek-V3", "H200-SXM", {8, 1, 1, 1});
  const StepTime few = moe.step_model().detail(decode(1, 1000));
  const StepTime many = moe.step_model().detail(decode(256, 1000));
  const auto experts = [](const StepTime& t) { return t.of(OperatorClass::experts).seconds(); };
  const double launch =
      58 * moe.curves->of("moe", "fp8_block", std::vector<KernelWish>{{"", "triton", ""}}).launch;
  EXPECT_NEAR((experts(many) - launch) / (experts(few) - launch), 256.0 / 8, 256.0 / 8 * 0.35);
}

TEST(step_model, skewed_routing_costs_imbalance_and_uniform_routing_costs_less) {
  const Case skewed("DeepSeek-V3", "H200-SXM", {1, 1, 8, 8});
  Case even = skewed;
  even.routing.clear();
  even.routing.resize(even.model.ffns.size());
  RoutingSpec spec;
  spec.popularity = RoutingSpec::Popularity::uniform;
  spec.layers = 2;
  spec.tokens = 2048;
  for (std::size_t i = 0; i < even.routing.size(); ++i) {
    if (even.model.ffns[i].kind == FfnKind::moe) {
      even.routing[i].decode = make_routing_tables(even.model.ffns[i], popularity(even.model), spec,
                                                   1, {8}, kernels::find_backend("tbb"));
    }
  }
  const StepLoad load = decode(1024, 2000);
  const StepTime a = skewed.step_model().detail(load), b = even.step_model().detail(load);
  EXPECT_GT(a.limits().imbalance, b.limits().imbalance);
  EXPECT_GT(b.limits().imbalance, 0) << "sampling alone leaves some ranks fuller";
}

/// 58 expert layers on 8 data-parallel ranks: every token in fp8 to all, every sum in bf16 back.
TEST(step_model, tokens_reach_experts_the_way_the_engine_names) {
  const auto names = [](const StepModel& model) {
    std::set<std::string> out;
    for (const auto& [name, curve] : model.curves()) out.insert(name);
    return out;
  };
  const Case gather("DeepSeek-V3.2", "H200-SXM", {1, 1, 8, 8});
  const Case send("DeepSeek-V3.2", "H200-SXM", {1, 1, 8, 8}, ExpertExchange::deepep);
  const StepModel gathers = gather.step_model(), sends = send.step_model();
  EXPECT_EQ(names(gathers).count("all-gather"), 1u);
  EXPECT_EQ(names(gathers).count("expert exchange"), 0u);
  EXPECT_EQ(names(sends).count("all-gather"), 0u);
  EXPECT_EQ(names(sends).count("expert exchange"), 1u);
  const double rows = 8192 / 8.0;  // beyond the graphs: nothing is padded
  const std::array out{8.0, 8 * rows * 7168 * 2}, back{8.0, 8 * rows * 7168 * 2};
  const StepCurve& all_gather =
      gather.curves->of("all_gather", bytes_precision, {}, Data::cold, "nccl");
  const StepCurve& reduce_scatter =
      gather.curves->of("reduce_scatter", "bf16", {}, Data::cold, "nccl");
  const double expected =
      58 * (all_gather.seconds(out.data()) + reduce_scatter.seconds(back.data()));
  const double took = gathers.detail(decode(8192, 1000)).of(OperatorClass::collective).seconds();
  EXPECT_NEAR(took, expected, 1e-9 * expected);
}

/// Two batches hide the shorter of exchange and computing, at best: what is left is no shorter than
/// either, no longer than one after the other, and adds up.
TEST(step_model, two_batches_hide_the_exchange_at_best) {
  using enum ExpertExchange;
  Case c("DeepSeek-V3", "H200-SXM", {1, 1, 32, 32}, deepep);
  const StepModel apart = c.step_model();
  c.spec.two_batch_overlap = true;
  const StepModel overlapped = c.step_model();
  bool hidden = false;
  for (const double tokens : {32.0, 2048.0, 65536.0, 524288.0}) {
    for (const StepLoad& load : {decode(tokens / 8, 3000), prefill(tokens, 2048)}) {
      const StepTime serial = apart.detail(load);
      const double exchange = serial.of(OperatorClass::collective).seconds();
      const double took = overlapped.seconds(load);
      EXPECT_LE(took, serial.seconds() * (1 + 1e-12));
      EXPECT_GE(took, std::max(exchange, serial.seconds() - exchange) * (1 - 1e-9));
      EXPECT_NEAR(overlapped.detail(load).seconds(), took, 1e-6 * took);
      hidden = hidden || took < serial.seconds() - 0.5 * exchange;
    }
  }
  EXPECT_TRUE(hidden) << "large batches hide at least half of it";
  // Prompts are launched kernel by kernel, for both batches.
  Case slow = c;
  slow.engine.host_per_call = 1e-3;
  const StepLoad load = prefill(524288, 2048);
  slow.spec.two_batch_overlap = false;
  const double serial = slow.step_model().seconds(load);
  ASSERT_GT(2 * slow.step_model().launches(load).waited_for(), serial);
  slow.spec.two_batch_overlap = true;
  EXPECT_DOUBLE_EQ(slow.step_model().seconds(load), serial);
  // Half a batch pads to a smaller graph; the breakdown still adds up.
  Case padded = c;
  padded.engine.graphs = {{64, 1, {}}, {1024, 960, {}}};
  padded.spec.max_num_seqs = 1024;
  const StepModel steps = padded.step_model();
  const double took = steps.seconds(decode(3200, 3000));
  EXPECT_NEAR(steps.detail(decode(3200, 3000)).seconds(), took, 1e-6 * took);
  // Nothing passes between ranks by an exchange: nothing to hide.
  for (const auto& [ranks, how] : {std::pair(Deployment{8, 1, 8, 1}, deepep),
                                   std::pair(Deployment{1, 1, 8, 8}, allgather_reducescatter)}) {
    Case none("DeepSeek-V3", "H200-SXM", ranks, how);
    const double before = none.step_model().seconds(decode(512, 3000));
    none.spec.two_batch_overlap = true;
    EXPECT_DOUBLE_EQ(none.step_model().seconds(decode(512, 3000)), before);
  }
}

/// SGLang's own table is of the absorbed form, several times as slow per position.
TEST(step_model, sglang_expands_prompts_unless_little_is_cached) {
  Case c("DeepSeek-V3", "H200-SXM", {1, 1, 8, 8});
  c.engine = Library(TOLLGATE_REPOSITORY "/models").engine("sglang", {});
  c.curves = c.with(c.engine);
  const StepModel model = c.step_model();
  const auto attention = [&](double past) {
    StepLoad load = prefill(8 * 4096, 4096 / 2.0 + past);
    return model.detail(load).of(OperatorClass::attention).seconds();
  };
  EXPECT_GT(attention(512), 2 * attention(0));
  EXPECT_LT(attention(8192), 0.75 * attention(8191) * 8192 / 8191);
}

/// NVFP4 halves a byte and adds a scale to sixteen, where the engine narrows rows before; fp8 with
/// scales per block (DeepSeek's own) stays bf16 on the way.
TEST(step_model, gathered_rows_are_as_wide_as_the_engine_leaves_them) {
  const auto seconds = [](std::optional<Precision> weights, bool quantised) {
    Case c("DeepSeek-V3", "B200-SXM", {1, 1, 4, 4});
    c.spec.weights = weights;
    c.engine.gathers_quantised = quantised;
    c.curves = c.with(c.engine);
    return c.step_model().detail(decode(8192, 1000)).of(OperatorClass::collective).seconds();
  };
  EXPECT_LT(seconds(Precision::nvfp4, true), 0.8 * seconds(Precision::nvfp4, false));
  EXPECT_DOUBLE_EQ(seconds({}, true), seconds({}, false));
}

/// TensorRT-LLM's kernels need NVLink across nodes; one node of eight gathers as before.
TEST(step_model, tokens_go_over_nvlink_only_where_it_reaches_across_nodes) {
  const auto seconds = [](const char* device, ExpertExchange exchange) {
    const Case c("DeepSeek-V3.2", device, {1, 1, 32, 32}, exchange);
    return c.step_model().detail(decode(512, 1000)).of(OperatorClass::collective).seconds();
  };
  using enum ExpertExchange;
  EXPECT_LT(seconds("GB200-NVL72", nvlink), seconds("GB200-NVL72", allgather_reducescatter));
  EXPECT_DOUBLE_EQ(seconds("H200-SXM", nvlink), seconds("H200-SXM", allgather_reducescatter));
}

TEST(step_model, every_fitted_operator_class_states_an_error) {
  const Case c("DeepSeek-V3", "B200-SXM", {1, 1, 8, 8});
  const StepTime t = c.step_model().detail(decode(256, 3000));
  EXPECT_GT(t.log_sd, 0.02);
  EXPECT_LT(t.log_sd, 0.5);
  EXPECT_NE(t.provenance(), Provenance::exact);
  EXPECT_EQ(t.of(OperatorClass::host).provenance, Provenance::assumed);
}

// DeepSeek-V3.2 is V3 with an index: its attention is one measured module, projections included,
// so they must not be counted among the matrix products again.
TEST(step_model, projections_inside_a_module_are_counted_once) {
  const Case v3("DeepSeek-V3", "H200-SXM", {8, 1, 1, 1}),
      sparse("DeepSeek-V3.2", "H200-SXM", {8, 1, 1, 1});
  const StepTime a = v3.step_model().detail(decode(64, 2000));
  const StepTime b = sparse.step_model().detail(decode(64, 2000));
  EXPECT_LT(b.of(OperatorClass::gemm).seconds(), 0.7 * a.of(OperatorClass::gemm).seconds());
  EXPECT_GT(b.of(OperatorClass::attention).seconds(), a.of(OperatorClass::attention).seconds());
}

// As many tokens in short prompts attend to less than in one long prompt.
TEST(step_model, whole_prompts_cost_less_attention_than_one_chunk_of_a_long_one) {
  const Case c("Llama-3.1-70B", "H200-SXM", {8, 1, 1, 1});
  const StepModel model = c.step_model();
  const auto attention = [&](double context) {
    return model.detail(prefill(8192, context)).of(OperatorClass::attention).seconds();
  };
  EXPECT_LT(attention(512), attention(4096));
  EXPECT_LT(attention(4096), attention(20000));
  // Where a chunk becomes whole prompts nothing jumps.
  EXPECT_NEAR(attention(4096 * 0.999) / attention(4096 * 1.001), 1, 0.02);
}

// Launched so slowly that nothing else counts, a prompt takes the number of its kernels.
double launches_of_a_prompt(const char* model_name, Precision weights) {
  Case c(model_name, "H200-SXM", {1, 1, 1, 1});
  c.spec.weights = weights;
  c.engine.host_per_step = c.engine.host_per_sequence = 0;
  c.engine.host_per_call = 1;
  c.engine.prompt_graph_rows = 0;
  return std::round(c.step_model().seconds(prefill(64, 32)));
}

TEST(step_model, a_prompt_launches_every_kernel_of_its_operators) {
  // Llama-3.1-8B, 32 layers: two norms, four products, rotation and cache write, attention,
  // activation; LM head and five passes of sampling.
  EXPECT_EQ(launches_of_a_prompt("Llama-3.1-8B", Precision::bf16), 32 * 10 + 6);
  // Narrow products quantise their inputs first.
  EXPECT_EQ(launches_of_a_prompt("Llama-3.1-8B", Precision::fp8), 32 * (10 + 4) + 6);
  // Qwen3-30B-A3B, 48 layers: two norms, two products, four kernels before attention, attention,
  // router, its choice, eight of the experts.
  EXPECT_EQ(launches_of_a_prompt("Qwen3-30B-A3B", Precision::bf16), 48 * 19 + 6);
  // Inputs of both products and of both products of an expert are quantised.
  EXPECT_EQ(launches_of_a_prompt("Qwen3-30B-A3B", Precision::fp8), 48 * (19 + 4) + 6);
}

// vLLM captures steps of up to 512 rows, prompts included: only longer ones wait for launches.
TEST(step_model, steps_within_the_graphs_do_not_wait_for_launches) {
  Case c("Llama-3.1-8B", "H200-SXM", {1, 1, 1, 1});
  c.engine.host_per_call = 1e-3;
  c.engine.prompt_graph_rows = 512;
  const StepModel model = c.step_model();
  StepLoad load = prefill(448, 224);
  load.decode_sequences = 64;
  load.decode_context = 100;
  EXPECT_EQ(model.seconds(load), model.unhindered(load));
  load.prefill_tokens = 449;
  EXPECT_GT(model.seconds(load), 0.3) << "326 kernels of 1 ms";
  c.engine.prompt_graph_rows = 0;
  EXPECT_EQ(c.step_model().seconds(load), model.seconds(load));
}

/// Against what vllm-project/vllm pull request 33538 measured for masking by top-k and top-p with
/// PyTorch: milliseconds by sequences, 32768 logits each. Greedy sampling pays nothing.
TEST(step_model, sorting_logits_takes_what_was_measured) {
  Case c("Llama-3.1-8B", "H100-SXM", {1, 1, 1, 1});
  c.model.vocab = 32768;
  c.engine.graphs.clear();
  const StepModel greedy = c.step_model();
  c.engine.sorted_sampling = true;
  const StepModel sorted = c.step_model();
  for (const auto& [sequences, measured] :
       {std::pair(48.0, 0.481e-3), {512.0, 2.572e-3}, {1024.0, 5.04e-3}}) {
    const StepLoad load = decode(sequences, 100);
    const double took = sorted.seconds(load) - greedy.seconds(load);
    EXPECT_NEAR(took / measured, 1, 0.2) << sequences;
    const double shown = sorted.detail(load).of(OperatorClass::elementwise).seconds() -
                         greedy.detail(load).of(OperatorClass::elementwise).seconds();
    EXPECT_NEAR(shown, took, 1e-9);
  }
  const StepLoad prompt = prefill(1000, 500);
  EXPECT_NEAR(sorted.unhindered(prompt) - greedy.unhindered(prompt), 0.2e-3 + 32768 * 150e-12, 1e-9)
      << "a finished prompt draws one token";
  EXPECT_EQ(sorted.launch_pace().seconds, greedy.launch_pace().seconds);
}

/// What the host does for an eager step beside launching it comes once, whatever the step, and also
/// where launches cost nothing.
TEST(step_model, an_eager_step_keeps_the_host_busy_beside_its_launches) {
  Case c("Llama-3.1-8B", "H100-SXM", {1, 1, 1, 1});
  c.engine.prompt_graph_rows = 0;
  const StepModel before = c.step_model();
  c.engine.host_per_eager_step = 0.014;
  const StepModel model = c.step_model();
  EXPECT_NEAR(model.launch_pace().seconds - before.launch_pace().seconds, 0.014, 1e-12);
  EXPECT_NEAR(model.seconds(prefill(2, 1)) - before.seconds(prefill(2, 1)), 0.014, 1e-12)
      << "launches bound a short prompt";
  EXPECT_EQ(model.seconds(prefill(8000, 4000)), before.seconds(prefill(8000, 4000)))
      << "a long one takes longer than they do";
  EXPECT_EQ(model.seconds(decode(8, 100)), before.seconds(decode(8, 100)));
  c.engine.host_per_call = 0;
  EXPECT_NEAR(c.step_model().launch_pace().seconds, 0.014 + c.engine.host_per_step, 1e-12);
}

double launch_seconds(const Case& c) { return c.step_model().launch_pace().seconds; }

/// A layer of Llama: attention, and the graph of what is between it and the next; the logits once.
/// Latent attention takes four projections along, two of which (absorbed) do not quantise their
/// inputs, two kernels of positions and cache, and the norm of the latents; drafts are launched
/// whole.
TEST(step_model, piecewise_graphs_leave_attention_to_launch) {
  const auto calls = [](Case& c, int drafts) {
    c.engine.piecewise_prompts = true;
    c.spec.mtp_draft_tokens = drafts;
    return (launch_seconds(c) - c.engine.host_per_step) / c.engine.host_per_call;
  };
  Case llama("Llama-3.1-8B", "H100-SXM", {1, 1, 1, 1});
  const double logits = 1 + 5;  // the product, five passes of sampling
  EXPECT_NEAR(calls(llama, 0), 32 * 2 + logits, 1e-9);
  Case latent("DeepSeek-V3", "B200-SXM", {8, 1, 1, 1});
  const double all = launch_seconds(latent) / latent.engine.host_per_call;
  const double layer = 1 + latent.engine.latent_prompt_calls + 2 * 2 + 2 + 3;
  EXPECT_NEAR(calls(latent, 0), 61 * layer + logits + 1, 1e-9) << "logits are gathered";
  EXPECT_LT(calls(latent, 0), 0.8 * all) << "experts are in graphs";
  const double piecewise = calls(latent, 1) - calls(latent, 0);
  latent.engine.piecewise_prompts = false;
  latent.spec.mtp_draft_tokens = 1;
  const double with = launch_seconds(latent) / latent.engine.host_per_call;
  EXPECT_NEAR(piecewise, with - all, 1e-9);
}

/// gpt-oss-120b has 36 layers of experts, which OpenAI's Triton kernels compute on Hopper.
TEST(step_model, kernels_of_experts_cost_the_launches_their_engine_says) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const auto added = [&](const char* device, Deployment d) {
    Case c("gpt-oss-120b", device, d);
    c.engine = library.engine("trtllm", {});
    c.curves = c.with(c.engine);
    const double stated = launch_seconds(c);
    for (KernelChoice& kernel : c.engine.kernels) kernel.launches = 0;
    c.curves = c.with(c.engine);
    return (stated - launch_seconds(c)) / (36 * c.engine.host_per_call);
  };
  EXPECT_NEAR(added("H100-SXM", {1, 1, 1, 1}), 16 - 8, 1e-9);
  EXPECT_NEAR(added("H100-SXM", {4, 1, 1, 1}), 16 - 8, 1e-9);
  EXPECT_NEAR(added("H100-SXM", {1, 1, 4, 4}), 22 - 8, 1e-9) << "each pruned to the rank's";
  EXPECT_NEAR(added("B200-SXM", {1, 1, 1, 1}), 0, 1e-9) << "Blackwell runs other kernels";
}

TEST(step_model, drafts_cost_the_host_what_the_engine_says) {
  Case c("DeepSeek-R1", "B200-SXM", {8, 1, 8, 1});
  c.spec.mtp_draft_tokens = 2;
  c.spec.mtp_acceptance_length = 2;
  const double free = c.step_model().seconds(decode(24, 2000));
  c.engine.draft_host_per_step = 2e-3;
  c.engine.draft_host_per_sequence = 1e-4;
  EXPECT_NEAR(c.step_model().seconds(decode(24, 2000)) - free, 2e-3 + 24e-4, 1e-9);
  c.spec.mtp_draft_tokens = 0;
  const double plain = c.step_model().seconds(decode(24, 2000));
  c.engine.draft_host_per_step = 0;
  EXPECT_EQ(c.step_model().seconds(decode(24, 2000)), plain) << "no drafts, no cost";
}

// The norms vanish behind short all-reduces of several ranks, and nowhere else.
TEST(step_model, short_all_reduces_include_the_norm) {
  const auto gain = [](const char* model, Deployment d, double sequences) {
    Case c(model, "H200-SXM", d);
    const auto seconds = [&](bool fuses) {
      c.engine.fuses_all_reduce = fuses;
      static Library library(TOLLGATE_REPOSITORY "/models");
      c.curves = std::make_shared<EngineCurves>(std::make_shared<CurveFiles>(library), c.hardware,
                                                c.engine);
      return c.step_model().seconds(decode(sequences, 500));
    };
    return seconds(false) - seconds(true);
  };
  const double launch = Case("Llama-3.1-70B", "H200-SXM", {8, 1, 1, 1})
                            .curves->of("elementwise", bytes_precision, {}, Data::warm, "cuda")
                            .launch;
  const double saved = gain("Llama-3.1-70B", {8, 1, 1, 1}, 8);
  EXPECT_GT(saved, 160 * launch * 0.9) << "two norms in each of 80 layers";
  EXPECT_LT(saved, 160 * launch * 2);
  EXPECT_EQ(gain("Llama-3.1-70B", {1, 1, 1, 1}, 8), 0) << "nothing to reduce";
  EXPECT_EQ(gain("Llama-3.1-70B", {8, 1, 1, 1}, 64), 0) << "1 MiB is not short among eight";
  EXPECT_EQ(gain("Qwen3-32B", {8, 1, 1, 1}, 8), 0) << "a small dense model";
}

TEST(step_model, names_the_curves_it_is_made_of) {
  const Case c("DeepSeek-V3", "H200-SXM", {1, 1, 8, 8}, ExpertExchange::deepep);
  const StepModel model = c.step_model();
  std::set<std::string> names;
  for (const auto& [name, curve] : model.curves()) names.insert(name);
  for (const char* name : {"products", "experts", "expert exchange", "latent decode attention",
                           "latent prefill attention", "elementwise kernels"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(routing_table, interpolates_between_the_powers_of_two_and_holds_at_the_ends) {
  const RoutingTable table({{1, 8, 8, 1, 8, 16, 64, 128},
                            {2, 6, 6, 2, 15, 32, 128, 256},
                            {4, 4, 4, 3, 28, 48, 192, 384}},
                           5.3, 8);
  EXPECT_DOUBLE_EQ(table.at(3).busiest_ratio, 5);
  EXPECT_DOUBLE_EQ(table.at(0.5).busiest_ratio, 8);
  EXPECT_DOUBLE_EQ(table.at(400).busiest_ratio, 4);
  EXPECT_DOUBLE_EQ(table.at(8).rows64, 384);
  EXPECT_DOUBLE_EQ(table.destination_ranks(), 5.3);
}

TEST(routing_table, tables_do_not_depend_on_the_backend) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const LlmSpec model = library.model("DeepSeek-V3", {});
  RoutingSpec spec;
  spec.layers = 2;
  spec.tokens = 256;
  for (const FfnSpec& f : model.ffns) {
    if (f.kind != FfnKind::moe) continue;
    const auto a = make_routing_tables(f, popularity(model), spec, 3, {8, 16},
                                       kernels::find_backend("reference"));
    const auto b =
        make_routing_tables(f, popularity(model), spec, 3, {8, 16}, kernels::find_backend("tbb"));
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (const double tokens : {1.0, 37.0, 200.0}) {
        EXPECT_EQ(a[i].at(tokens).busiest_ratio, b[i].at(tokens).busiest_ratio);
        EXPECT_EQ(a[i].at(tokens).rank_distinct, b[i].at(tokens).rank_distinct);
      }
    }
  }
}

TEST(compute_path, a_format_without_a_unit_falls_back_to_a_wider_one) {
  PeakRates hopper;
  hopper.bf16 = 989e12;
  hopper.fp8 = 1979e12;
  EXPECT_EQ(compute_path(Precision::fp8, hopper).unit, ComputeClass::fp8);
  EXPECT_EQ(compute_path(Precision::mxfp4, hopper).unit, ComputeClass::bf16);
  EXPECT_EQ(compute_path(Precision::int4, hopper).unit, ComputeClass::bf16);
  PeakRates blackwell = hopper;
  blackwell.fp4 = 9000e12;
  EXPECT_EQ(compute_path(Precision::nvfp4, blackwell).peak, 9000e12);
  EXPECT_EQ(compute_path(Precision::mxfp4, blackwell).unit, ComputeClass::fp8);
  PeakRates ampere;
  ampere.bf16 = 312e12;
  EXPECT_EQ(compute_path(Precision::fp8, ampere).peak, 312e12);
}

}  // namespace
}  // namespace tollgate
