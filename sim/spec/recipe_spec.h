#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/spec/engine_spec.h"
#include "sim/spec/model_spec.h"
#include "sim/spec/schema.h"

namespace tollgate {

/// Options with which a public benchmark starts an engine, for the deployments that meet all
/// conditions of the rule. What is not given stays as the engine has it.
struct RecipeRule {
  // Conditions; empty or 0 = any.
  std::string engine;
  std::vector<std::string> models, devices;
  std::string precision;  ///< of the experts, else of the projections
  std::string version;    ///< of the engine, as a run states it
  int input = 0, output = 0;
  /// Nominal prompts of so many tokens, twice as many, three times as many and so on.
  int input_multiple_of = 0;
  int concurrency_from = 0, concurrency_below = 0, tensor_from = 0, tensor_below = 0;
  std::string measured_from, measured_before;  ///< day of the run, ISO 8601; never if it has none
  bool data_parallel_attention = false;        ///< only with it
  bool drafts = false;                         ///< only with multi-token prediction

  // Options; 0 = not given.
  int batched_tokens = 0;  ///< token budget of a step; SGLang: of a chunk and of a prefill batch
  /// The token budget is a prompt, a token of every user and this. With drafts: what the users of
  /// one data-parallel rank feed in a step instead.
  int prompt_budget = 0;
  int context_budget = 0;    ///< the token budget is input + output + this
  bool mixed_chunk = false;  ///< SGLang: sequences decode beside a prefill batch
  int max_num_seqs = 0;      ///< sequences of a data-parallel group
  bool bench_sizes = false;  ///< both as trtllm-bench chooses them (trtllm_bench_sizes)
  int receive_interval = 0;  ///< SGLang, SchedulerConfig::receive_interval
  int wait_steps = 0;        ///< TensorRT-LLM, batch_wait_timeout_iters
  double wait_share = 0;     ///< TensorRT-LLM, batch_wait_max_tokens_ratio
  int balance_steps = 0;    ///< TensorRT-LLM, attention_dp_config.timeout_iters with enable_balance
  std::string kv_cache;     ///< format of the cache; "" = fp8 where weights are narrower than bf16
  double memory_share = 0;  ///< of device memory the engine may use
  int draft_tokens = 0;     ///< of runs with multi-token prediction
  bool expert_parallel = false;         ///< experts are split by rank, whatever a row says
  bool attention_by_rank = false;       ///< attention is data-parallel, whatever a row says
  std::vector<KernelChoice> kernels;    ///< instead of the engine's own
  bool prompts_without_graphs = false;  ///< EngineSpec::prompt_graph_rows is 0
  bool piecewise_prompts = false;       ///< EngineSpec::piecewise_prompts
  std::vector<GraphRange> graphs;       ///< captured decode batches, instead of the engine's own
  bool without_graphs = false;          ///< EngineSpec::graphs is empty: nothing is padded
  bool unpadded_graphs = false;         ///< StepTableRange::unpadded
  bool sorted_sampling = false;         ///< EngineSpec::sorted_sampling
  bool reads_at_once = false;           ///< a front end reads and tokenises many prompts at once
  int requests_per_user = 0;            ///< that the client sends
  int distinct_prompts = 0;             ///< that the client sends again and again, cached
  Places places;
};

/// Mean tokens that one step of these models emits with 1, 2, 3, ... drafts, the next token
/// included.
struct AcceptanceRow {
  std::vector<std::string> models;
  std::vector<double> lengths;
  Places places;
};

/// A file of models/recipes.
struct RecipeBook {
  std::string name;
  std::vector<RecipeRule> rules;  ///< later ones go before earlier ones
  std::vector<AcceptanceRow> acceptance;
  std::vector<Source> sources;
  std::vector<std::string> notes;
  Places places;
};

const Schema<RecipeBook>& recipe_schema();

/// What a deployment is asked by: the conditions of a rule with its own values.
struct RecipeQuestion {
  std::string engine, model, device, precision, version;
  double input = 0, output = 0, concurrency = 0;
  int tensor = 1, data_attention = 1;
  std::string measured;  ///< day of the run, ISO 8601; "" = not stated
  bool drafts = false;
};

/// The options of all rules that apply, later ones over earlier ones; conditions are left empty.
RecipeRule options_for(const RecipeBook& book, const RecipeQuestion& question);

/// Mean tokens of a step with `drafts` drafts; 0 where the book does not know it.
double acceptance_of(const RecipeBook& book, const std::string& model, int drafts);

}  // namespace tollgate
