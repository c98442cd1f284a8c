#pragma once

#include <string>
#include <vector>

#include "sim/spec/hardware_spec.h"

namespace tollgate {

/// Whose turn it is when prompts wait and sequences run.
enum class SchedulingPolicy {
  running_first,  ///< vLLM v1: running sequences, then prompts out of the same token budget
  prefill_first,  ///< SGLang: a step of prompts alone goes before decoding
  no_evict        ///< TensorRT-LLM: as vLLM, but admits only what can run to its end
};

/// How tokens reach expert-parallel ranks and come back under data-parallel attention.
enum class ExpertExchange {
  allgather_reducescatter,  ///< every rank gets every token and adds its experts' share of the sums
  deepep,                   ///< DeepEP: to the ranks of the chosen experts only
  nvlink                    ///< so over NVLink that reaches across nodes; without it all-gather
};

/// Defaults that depend on how much memory an accelerator has.
struct EngineLimits {
  double memory_from = 0;     ///< bytes of device memory from which this row holds
  int max_num_seqs = 1024;    ///< sequences a data-parallel group may run at once
  int batched_tokens = 8192;  ///< token budget of one step
  Places places;
};

/// Batch sizes for which a decode step is captured as a CUDA graph: up to `to`, every `step`.
/// A batch between two is padded to the larger one; beyond the last nothing is padded.
struct GraphRange {
  int to = 0;
  int step = 1;
  Places places;
};

/// How experts lie on the ranks: each sliced over them, or whole on one.
enum class ExpertLayout { any, sliced, whole };

/// A kernel the engine picks where operator tables know several; the first that applies counts.
struct KernelChoice {
  std::string op, precision, kernel;
  std::string backend;       ///< whose table has it; empty: the engine's own
  std::string format;        ///< number format it was measured in; empty: `precision`
  std::string architecture;  ///< only on devices of it, such as "hopper"; "" = any
  ExpertLayout experts = ExpertLayout::any;
  double launches = 0;  ///< in units of EngineSpec::host_per_call, of a call; 0: as usual for `op`
  Places places;
};

/// A serving engine at one version: every constant of it that the simulator uses.
struct EngineSpec {
  std::string name;
  std::string version;
  std::string backend;  ///< its name in operator tables
  std::string released;
  SchedulingPolicy policy = SchedulingPolicy::running_first;
  bool async_scheduling = true;  ///< the host prepares a step while the device runs the one before
  /// Rotary positions and the cache write are part of the attention call.
  bool fuses_rotary = false;
  /// The residual sum and the norm behind an all-reduce are part of it as long as it is short;
  /// small dense models are left out.
  bool fuses_all_reduce = false;
  /// Operator tables of fp8 with a scale per tensor search the scale of every input; deployments
  /// take the checkpoint's.
  bool static_scales = false;
  ExpertExchange expert_exchange = ExpertExchange::allgather_reducescatter;
  double host_per_step = 0;      ///< seconds per engine step outside the device's kernels
  double host_per_sequence = 0;  ///< seconds per sequence and step
  /// Seconds of a step with drafts that the host takes between drafting, verifying and the next
  /// step, and of each sequence in it, beside the two above.
  double draft_host_per_step = 0, draft_host_per_sequence = 0;
  /// Seconds the host takes to launch one kernel of a step that no graph covers, which are those
  /// with prompt tokens: the device waits where its kernels are shorter.
  double host_per_call = 0;
  double host_per_eager_step = 0;  ///< seconds of such a step beside its launches
  /// Steps with prompt tokens of at most so many rows, those of decoding sequences included, run in
  /// graphs too (vLLM captures everything but attention piece by piece): nothing waits there.
  int prompt_graph_rows = 0;
  /// Steps with prompt tokens run in graphs but for attention, which is launched kernel by kernel.
  bool piecewise_prompts = false;
  /// Rows that are gathered for experts are quantised to the experts' format before.
  bool gathers_quantised = false;
  /// Tokens whose choices the experts' kernels take at once; 0: all of a step.
  int expert_chunk = 0;
  /// Kernels of a prompt in latent attention beside the products: attention itself and what copies
  /// the parts of keys and values together. The default is assumed: between SGLang's and
  /// TensorRT-LLM's.
  double latent_prompt_calls = 8;
  /// Prompts behind fewer cached positions than this attend to the latents themselves (absorbed),
  /// others expand keys and values. 0: all expand them.
  int absorbs_below = 0;
  double host_per_request = 0;       ///< seconds from arrival to the first step that can take it
  double host_per_prompt_token = 0;  ///< seconds of reading and tokenising, before all that
  /// Layers with a sliding window keep what is in it only; else the whole sequence, like the
  /// others.
  bool windowed_cache = true;
  double memory_utilisation = 0.9;  ///< share of memory the engine may use
  MemoryBase memory_utilisation_of = MemoryBase::device;
  int kv_block = 16;  ///< tokens of a KV cache block
  std::vector<EngineLimits> limits;
  std::vector<GraphRange> graphs;
  /// Graphs are captured before the cache is sized, which leaves room for what they hold.
  bool graphs_before_cache = false;
  /// Tokens are drawn from sorted logits, as top-k and top-p do without a kernel of their own.
  bool sorted_sampling = false;
  std::vector<KernelChoice> kernels;
  std::vector<Source> sources;
  std::vector<std::string> notes;
  Places places;

  /// The row of `limits` with the largest memory_from that the device reaches; never null.
  const EngineLimits& limits_for(double device_memory) const;

  /// Mean seconds from sending a prompt of so many tokens to the engine's queue.
  double before_queue(double prompt_tokens) const {
    return host_per_request + host_per_prompt_token * prompt_tokens;
  }

  /// Prompt tokens that one of `groups` data-parallel groups computes in a step at most: SGLang
  /// shares its chunk out among them (server_args.py), the others give each the whole budget.
  int chunk_of_group(int budget, int groups) const;

  /// Whether ranks send tokens to their experts instead of gathering all of them on every rank.
  bool sends_to_experts(const HardwareSpec& hardware) const;

  /// The same where experts lie on so many ranks: slices on one need every token.
  bool sends_to_experts(int expert_ranks, const HardwareSpec& hardware) const {
    return expert_ranks > 1 && sends_to_experts(hardware);
  }
};

/// The graphs of an engine that runs `most` sequences at most: none is larger, and what a larger
/// one would hold is padded to `most`. Source: NVIDIA/TensorRT-LLM, pyexecutor/model_engine.py,
/// _filter_cuda_graph_batch_sizes.
std::vector<GraphRange> graphs_up_to(const std::vector<GraphRange>& graphs, int most);

/// Rows a decode step of `rows` rows runs with, averaged over batches that come and go around
/// `rows`: half a step more, at most the range's end; unchanged beyond the last graph.
double padded_rows(const std::vector<GraphRange>& graphs, double rows);

}  // namespace tollgate
