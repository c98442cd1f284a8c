#pragma once

#include "sim/placement/sharding.h"
#include "sim/spec/architecture.h"
#include "sim/spec/scenario.h"

namespace tollgate {

/// Bytes on the fullest accelerator of a replica, and what is left for sequences.
struct MemoryPlan {
  double capacity = 0;  ///< what the engine may use, by memory_utilisation and what it is of
  double weights = 0;   ///< of the fullest pipeline stage
  double activations = 0;
  double runtime_overhead = 0;
  double for_sequences = 0;  ///< capacity minus the above; negative when the model does not fit

  // What one resident sequence takes on the fullest rank that serves it.
  double kv_per_sequence = 0;     ///< at the given context, index keys included
  double state_per_sequence = 0;  ///< recurrent state
  double per_sequence() const { return kv_per_sequence + state_per_sequence; }

  double memory_batch = 0;  ///< sequences per replica that memory holds at that context
  double scheduler_batch =
      0;                     ///< sequences per replica that max_num_seqs and the token budget allow
  double largest_batch = 0;  ///< the smaller of the two, and of max_batch where given
  bool fits() const { return largest_batch >= 1; }

  /// Cache blocks of a data-parallel group, under a plan made for sequences of `context` tokens;
  /// recurrent state counts as cache of such a sequence. 0 where a sequence takes nothing.
  double cache_blocks(double context, int block_tokens) const {
    const double per_token = per_sequence() / context;
    return per_token > 0 ? for_sequences / (per_token * block_tokens) : 0;
  }
};

/// Tokens of a step that spends the whole token budget, and of the largest one in a graph.
struct StepTokens {
  double of_group = 0;  ///< that a data-parallel group computes
  /// Those of all groups, which meet at the routed experts; no more than these take at once.
  double at_experts = 0;
  bool sent = false;  ///< there, each to its experts; otherwise every rank gathers all of them
  /// Rows of a group in the largest decode step captured as a CUDA graph, if the cache leaves room
  /// for graphs (EngineSpec::graphs_before_cache).
  double captured = 0;
};

/// What plan_memory makes room for. Graphs are of so many sequences, each a row and one for every
/// draft, and none is larger than what can run.
StepTokens step_tokens(const EngineSpec& engine, const DeploymentSpec& spec, const Deployment& d,
                       const HardwareSpec& hardware);

/// Places a model. `context` is the mean context of a resident sequence in tokens; blocks of 16
/// tokens are half empty at the end on average (vLLM, SGLang page size 16 to 64: 8 tokens are
/// added). Layers are dealt to stages contiguously, as evenly as their number allows.
MemoryPlan plan_memory(const LlmSpec& model, const HardwareSpec& hardware,
                       const Deployment& deployment, const PrecisionMap& precision,
                       const DeploymentSpec& spec, const MethodSpec& method, double context,
                       const StepTokens& tokens);

/// The precision a deployment runs in: the model's own, with the overrides of the spec (`weights`:
/// precision_in).
PrecisionMap deployed_precision(const LlmSpec& model, const DeploymentSpec& spec);

}  // namespace tollgate
