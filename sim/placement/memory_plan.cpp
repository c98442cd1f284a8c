#include "sim/placement/memory_plan.h"

#include <algorithm>
#include <cmath>

namespace tollgate {
namespace {

double matrix_bytes(const std::vector<Matrix>& matrices, const PrecisionMap& precision) {
  double bytes = 0;
  for (const Matrix& m : matrices)
    bytes += m.elements() * bytes_per_element(precision_of(precision, m.tensor));
  return bytes;
}

double layer_bytes(const LlmSpec& model, const LayerSpec& layer, const Deployment& d,
                   const PrecisionMap& p, int redundant) {
  double bytes = 0;
  if (layer.attention >= 0) {
    const auto& attention = model.attentions[static_cast<std::size_t>(layer.attention)];
    bytes += matrix_bytes(attention_matrices(attention, model.hidden, d.tensor), p);
  }
  for (const int index : layer.ffns) {
    const FfnSpec& ffn = model.ffns[static_cast<std::size_t>(index)];
    if (ffn.kind == FfnKind::dense) {
      bytes += matrix_bytes(dense_ffn_matrices(model.hidden, ffn.intermediate, ffn.gated, d.tensor,
                                               TensorClass::dense_ffn),
                            p);
      continue;
    }
    const double per_rank = std::ceil(static_cast<double>(ffn.experts + redundant) / d.expert);
    bytes += per_rank * expert_elements(ffn, model.hidden) / d.expert_tensor() *
             bytes_per_element(p.experts);
    bytes += matrix_bytes(dense_ffn_matrices(model.hidden, shared_width(ffn), ffn.gated, d.tensor,
                                             TensorClass::shared_experts),
                          p);
    bytes += static_cast<double>(ffn.experts + ffn.zero_experts) * model.hidden *
             bytes_per_element(p.router);
    bytes += 2.0 * ffn.latent * model.hidden * bytes_per_element(p.shared_experts);
  }
  return bytes;
}

/// Cache and state one sequence keeps in a layer on one rank, bytes.
void add_sequence(const LlmSpec& model, const LayerSpec& layer, const Deployment& d,
                  const PrecisionMap& precision, WindowCache window_cache, double context,
                  double times, double& kv, double& state) {
  constexpr double block_slack = 8;  // half a block of 16 tokens
  if (layer.attention < 0) return;
  const AttentionSpec& attention = model.attentions[static_cast<std::size_t>(layer.attention)];
  const CacheShape shape = cache_shape(attention);
  const double share = cache_share(attention, d.tensor);
  const double tokens = context + block_slack;
  double positions = tokens / shape.compression;
  // Compressed attention cannot go without its window: what it leaves behind is compressed.
  if (shape.window > 0 && (window_cache != WindowCache::sequence || shape.compression > 1)) {
    const double in_window = std::min(tokens, static_cast<double>(shape.window));
    positions = shape.compression > 1 ? in_window + tokens / shape.compression : in_window;
  }
  kv += times * positions * shape.kv_per_position * bytes_per_element(precision.kv_cache) * share;
  kv += times * tokens / shape.compression * shape.index_per_position *
        bytes_per_element(precision.index_cache);
  state +=
      times * (shape.state * bytes_per_element(precision.state) + shape.conv_state * 2.0) * share;
}

/// Workspace of one step, bytes per rank: 2 x tokens x heads x head width x a coefficient that
/// falls from 1 to 4 ranks (aiconfigurator 095f58a5, `_get_memory_usage`, vLLM and TensorRT-LLM).
double workspace(const LlmSpec& model, int tensor, double tokens) {
  double width = 0;
  for (const AttentionSpec& a : model.attentions) {
    const double heads = a.kind == AttentionKind::linear ? a.v_heads : a.heads;
    const double head =
        a.kind == AttentionKind::gqa && a.v_head_dim == 0 ? a.head_dim : a.v_head_dim;
    width = std::max(width, heads * head);
  }
  const bool mixture = model.has_experts();
  const double coefficient = tensor == 1 ? 11 : tensor == 2 ? 6.5 : 5;
  return 2.0 * tokens * width * (mixture ? 2 : 1) * coefficient;
}

/// Buffers of the routed experts on a rank, bytes: rows as they are laid out for their experts,
/// gate and up, their product, and what is to be summed, of which two are alive at a time, in
/// elements of 2 bytes. Ranks that gather make room for every choice that can fall on them; of
/// tokens that are sent they get an even share. Sources: vllm-project/vllm pull request 57270,
/// workspace of a pair of token and expert 2 B x (max(I, K) + max(2 I, K)), balanced and worst;
/// NVIDIA/TensorRT-LLM, cutlass_kernels/moe_gemm/moe_kernels.cu, overlapped_gemm1_gemm2_inputs and
/// _outputs, for top-k choices of each token.
double expert_buffers(const LlmSpec& model, const Deployment& d, int redundant,
                      const StepTokens& tokens) {
  double most = 0;
  for (const FfnSpec& ffn : model.ffns) {
    if (ffn.kind == FfnKind::dense) continue;
    const double per_rank = std::ceil(static_cast<double>(ffn.experts + redundant) / d.expert);
    const double choices = tokens.sent ? static_cast<double>(ffn.top_k) / d.expert
                                       : std::min<double>(ffn.top_k, per_rank);
    const double width = static_cast<double>(ffn.intermediate) / d.expert_tensor();
    const double rows = ffn.latent > 0 ? ffn.latent : model.hidden;
    const double up = (ffn.gated ? 2 : 1) * width;
    most = std::max(most, choices * 2.0 * (std::max(rows, width) + std::max(up, rows)));
  }
  return tokens.at_experts * most;
}

/// What a step needs beside weights and cache on a rank, bytes.
double step_buffers(const LlmSpec& model, const Deployment& d, const DeploymentSpec& spec,
                    const StepTokens& tokens) {
  return std::max(workspace(model, d.tensor, tokens.of_group),
                  expert_buffers(model, d, spec.redundant_experts, tokens));
}

/// NCCL's buffers on a rank of so many, bytes (aiconfigurator 095f58a5, systems/h100_sxm.yaml,
/// nccl_mem, "by observation"; the same for every system).
double communication_buffers(int ranks) {
  constexpr double MiB = 1 << 20;
  return ranks == 1 ? 0 : ranks == 2 ? 342 * MiB : 392 * MiB;
}

/// Bytes of the buffers of a captured decode step on a rank: graphs have a pool of their own, one
/// for those of all batches (NVIDIA/TensorRT-LLM, _torch/pyexecutor/cuda_graph_runner.py and
/// model_engine.py).
double graph_buffers(const LlmSpec& model, const Deployment& d, const DeploymentSpec& spec,
                     const StepTokens& tokens) {
  StepTokens graph = tokens;
  graph.of_group = tokens.captured;
  graph.at_experts = std::min(tokens.captured * d.data_attention, tokens.at_experts);
  return step_buffers(model, d, spec, graph);
}

/// Bytes of its logits, on the last pipeline stage: in bf16 as a slice and gathered, and in fp32
/// (modules/logits_processor.py). That all of them stay in the pool beside the buffers is assumed:
/// blocks of such different sizes are not reused for each other.
double graph_logits(const LlmSpec& model, const Deployment& d, const StepTokens& tokens) {
  const double of_logit = (d.tensor > 1 ? 2.0 / d.tensor : 0) + 2 + 4;
  return tokens.captured * model.vocab * of_logit;
}

/// What an engine may use of a device's memory of which `rest` bytes are not for sequences.
double engine_memory(double memory, double rest, const DeploymentSpec& spec) {
  if (spec.memory_utilisation_of == MemoryBase::device) return memory * spec.memory_utilisation;
  return memory - (1 - spec.memory_utilisation) * std::max(0.0, memory - rest);
}

}  // namespace

StepTokens step_tokens(const EngineSpec& engine, const DeploymentSpec& spec, const Deployment& d,
                       const HardwareSpec& hardware) {
  StepTokens tokens;
  tokens.of_group = engine.chunk_of_group(spec.batched_tokens, d.data_attention);
  tokens.at_experts = tokens.of_group * d.data_attention;
  tokens.sent = d.data_attention > 1 && engine.sends_to_experts(d.expert, hardware);
  if (engine.expert_chunk > 0 && !tokens.sent)
    tokens.at_experts = std::min<double>(tokens.at_experts, engine.expert_chunk);
  if (engine.graphs_before_cache) {
    const int rows = 1 + spec.mtp_draft_tokens;
    const auto graphs =
        graphs_up_to(engine.graphs, std::min(spec.max_num_seqs, spec.batched_tokens / rows));
    if (!graphs.empty()) tokens.captured = static_cast<double>(rows) * graphs.back().to;
  }
  return tokens;
}

PrecisionMap deployed_precision(const LlmSpec& model, const DeploymentSpec& spec) {
  PrecisionMap p = spec.weights ? precision_in(model, *spec.weights) : model.precision;
  if (spec.kv_cache) p.kv_cache = *spec.kv_cache;
  return p;
}

MemoryPlan plan_memory(const LlmSpec& model, const HardwareSpec& hardware, const Deployment& d,
                       const PrecisionMap& precision, const DeploymentSpec& spec,
                       const MethodSpec& method, double context, const StepTokens& tokens) {
  MemoryPlan plan;
  plan.activations = method.activation_factor * step_buffers(model, d, spec, tokens);
  const double of_every_stage = method.runtime_overhead + communication_buffers(d.gpus()) +
                                method.activation_factor * graph_buffers(model, d, spec, tokens);

  const double vocabulary = static_cast<double>(model.vocab) * model.hidden / d.tensor *
                            bytes_per_element(precision.embedding);
  const std::size_t layers = model.layers.size();
  const auto stages = static_cast<std::size_t>(d.pipeline);
  bool first_stage = true;
  std::size_t first = 0;
  for (std::size_t stage = 0; stage < stages; ++stage) {
    const std::size_t last = layers * (stage + 1) / stages;
    double weights = 0, kv = 0, state = 0;
    for (std::size_t i = first; i < last; ++i) {
      const LayerSpec& layer = model.layers[i];
      weights += layer_bytes(model, layer, d, precision, spec.redundant_experts);
      add_sequence(model, layer, d, precision, spec.window_cache, context, 1, kv, state);
    }
    if (stage == 0) weights += vocabulary;
    if (stage + 1 == stages && (stages > 1 || !model.tied_embeddings)) weights += vocabulary;
    if (stage == 0) weights += model.other_parameters * 2.0 / d.tensor;
    if (stage + 1 == stages && spec.mtp_draft_tokens > 0 && model.mtp.modules > 0) {
      const int modules = std::min(model.mtp.modules, spec.mtp_draft_tokens);
      weights +=
          modules * (layer_bytes(model, model.mtp.layer, d, precision, 0) +
                     2.0 * model.hidden * model.hidden * bytes_per_element(precision.attention));
      add_sequence(model, model.mtp.layer, d, precision, spec.window_cache, context, modules, kv,
                   state);
    }
    // The fullest stage is the one with least room per sequence.
    const double runtime =
        of_every_stage + (stage + 1 == stages ? graph_logits(model, d, tokens) : 0);
    const double rest = runtime + plan.activations + weights;
    const double capacity = engine_memory(hardware.memory, rest, spec);
    const double room = capacity - rest;
    const double batch = kv + state > 0 ? room / (kv + state) : room;
    if (first_stage || batch < plan.largest_batch) {
      first_stage = false;
      plan.capacity = capacity;
      plan.weights = weights;
      plan.runtime_overhead = runtime;
      plan.kv_per_sequence = kv;
      plan.state_per_sequence = state;
      plan.for_sequences = room;
      plan.largest_batch = batch;
    }
    first = last;
  }
  // A step feeds every running sequence of its micro-batch out of the token budget.
  const double fed =
      static_cast<double>(spec.batched_tokens) / (1 + spec.mtp_draft_tokens) * d.pipeline;
  const double most = std::max(1.0, std::floor(std::min<double>(spec.max_num_seqs, fed)));
  plan.scheduler_batch = most * d.data_attention;
  plan.memory_batch = std::max(0.0, std::floor(plan.largest_batch)) * d.data_attention;
  plan.largest_batch = std::min(plan.memory_batch, plan.scheduler_batch);
  if (spec.max_batch > 0)
    plan.largest_batch = std::min(plan.largest_batch, static_cast<double>(spec.max_batch));
  return plan;
}

}  // namespace tollgate
