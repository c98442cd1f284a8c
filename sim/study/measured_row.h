#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/base/csv.h"
#include "sim/placement/sharding.h"
#include "sim/spec/library.h"
#include "sim/spec/scenario.h"

namespace tollgate {

/// One measured deployment: a closed loop of `concurrency` requests, mean latencies.
/// Columns (docs/cli.md, "validate"): id, model, system, backend, backend_version, precision or
/// gemm_quant and
/// moe_quant, mode (agg, disagg), isl, osl, len_factor, concurrency, tp, attn_dp, moe_ep, gpus,
/// prefill_workers, prefill_gpus, decode_workers, decode_gpus, measured, requests, mean_ttft_ms,
/// mean_tpot_ms, output_tok_s_gpu.
struct MeasuredRow {
  std::string id;
  std::string model, system, backend, mode;  ///< as written
  std::string version;                       ///< of the backend, as written
  std::string source;                        ///< who measured: names a file of models/recipes
  std::string measured;                      ///< day of the run, ISO 8601; "" = not stated
  bool multi_token = false;                  ///< drafts of a multi-token prediction module
  std::string gemm_format, moe_format;       ///< as written; "" = as the model ships
  bool narrow_cache = false;                 ///< an fp8 KV cache, as all non-bf16 public runs have
  double input = 0, output = 0;              ///< nominal tokens
  double length_factor = 1;  ///< mean length over nominal; below 1: uniform in 2f - 1 .. 1
  double concurrency = 0;
  double requests = 0;  ///< in all; 0 = requests_per_user for every user
  int tensor = 1, data_attention = 1, expert = 1;
  int prefill_workers = 0, prefill_gpus = 0, decode_workers = 0, decode_gpus = 0;
  double ttft = 0, tpot = 0;  ///< seconds; 0 = not measured
  double throughput = 0;      ///< output tokens per second and GPU: stated, else by output_rate
  bool whole_run = false;     ///< it was stated: tokens of the whole run over its duration
  std::size_t line = 0;       ///< row of the table it came from
};

/// Reads a row. Throws InputError naming the field: missing column, no number, not positive.
MeasuredRow measured_row(const CsvTable& table, std::size_t row);

/// A row as the simulator sees it. `why` says what stands in the way, "" if nothing does.
struct RowScenario {
  const LlmSpec* model = nullptr;
  const HardwareSpec* hardware = nullptr;
  const EngineSpec* engine = nullptr;
  PrecisionMap precision;
  DeploymentSpec deployment;
  Deployment ranks;          ///< of an aggregated replica, or of a decode worker
  Deployment other_ranks;    ///< disagg: the other layout a decode worker may have
  Deployment prefill_ranks;  ///< disagg: of a prefill worker
  RecipeRule options;        ///< of the benchmark, where its recipe is known
  RequestClass request;
  int domains = 0;   ///< kinds of traffic that it routes
  std::string note;  ///< what was assumed
  std::string why;
};

/// Resolves names (docs/method.md, "Validation"): a model by the last part of its path without
/// suffixes such as -FP8, -NVFP4 or -Instruct; hardware by its name without case and punctuation;
/// the engine by its backend: the oldest entry that is not older than the row's version, else the
/// newest. Remembers what it read; the pointers stay good as long as the resolver.
class RowResolver {
 public:
  explicit RowResolver(Library& library);
  RowScenario resolve(const MeasuredRow& row);

 private:
  const EngineSpec& with_options(const EngineSpec& engine, const RecipeRule& options);
  Library& library_;
  std::map<std::string, LlmSpec> models_;
  std::map<std::string, HardwareSpec> hardware_;
  std::map<std::string, EngineSpec> engines_;
  std::map<std::string, EngineSpec> variants_;  ///< with the kernels and graphs of a recipe
  std::map<std::string, RecipeBook> recipes_;
};

}  // namespace tollgate
