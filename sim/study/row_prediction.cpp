#include "sim/study/row_prediction.h"

#include <algorithm>
#include <cmath>

#include "sim/placement/cache_transfer.h"
#include "sim/serving/engine/engine_scheduler.h"
#include "sim/serving/engine/step_table.h"
#include "sim/serving/latency_error.h"
#include "sim/serving/workload_mix.h"
#include "sim/study/measured_loop.h"
#include "sim/study/simulated_service.h"

namespace tollgate {
namespace {

/// Where fewer sequences than this fit, a run was made with a larger share of memory.
constexpr double tight_room = 8;
constexpr double tight_utilisation = 0.97;

/// Engines of one kind with everything they rest on.
struct Pool {
  Deployment ranks;
  StepModel model;
  StepTable table;
  EnginePool engines;
};

class RowPredictor {
 public:
  RowPredictor(const MeasuredRow& row, const RowScenario& s, const PredictionShelf& shelf,
               const MethodSpec& method)
      : row_(row), s_(s), shelf_(shelf), method_(method), mix_(summarise({s.request})) {
    engine_ = *s.engine;
    engine_.graphs.clear();  // the table pads batch by batch
  }

  RowPrediction run() {
    out_.row = row_;
    out_.note = s_.note;
    const StepModel model = step_model(s_.ranks);
    MeasuredTimes times;
    try {
      times = row_.mode == "agg" ? together() : apart();
    } catch (const InputError& error) {
      note("scheduled as vLLM does, because " + std::string(error.what()));
      as_vllm_ = true;
      try {
        times = row_.mode == "agg" ? together() : apart();
      } catch (const InputError& second) {
        out_.note = second.what();
        return std::move(out_);
      }
    }
    if (!(times.tpot > 0) || !std::isfinite(times.ttft) || !std::isfinite(times.tpot)) {
      note("the simulation has no answer");
      return std::move(out_);
    }
    out_.predicted = true;
    StepLoad load;
    load.decode_sequences = std::max(1.0, row_.concurrency / std::max(1, row_.decode_workers));
    load.decode_context = mix_.decode_context;
    const StepTime detail = model.detail(load);
    const LatencyError error = latency_error(
        detail.log_sd, method_, s_.deployment.mtp_draft_tokens > 0, row_.mode != "agg");
    const Provenance provenance = worst(detail.provenance(), Provenance::fitted);
    out_.tpot = with_log_sd(times.tpot, error.tpot, provenance);
    out_.ttft = with_log_sd(times.ttft, error.ttft, provenance);
    // A stated rate is held against that of the whole run, filling and draining included.
    const double rate = row_.whole_run && times.duration > 0
                            ? times.output_tokens / times.duration / gpus_of(row_)
                            : output_rate(row_, times.ttft, times.tpot);
    out_.throughput = with_log_sd(rate, error.tpot, provenance);
    return std::move(out_);
  }

 private:
  void note(const std::string& text) { out_.note += (out_.note.empty() ? "" : "; ") + text; }

  StepModel step_model(const Deployment& ranks) const {
    return StepModel(*s_.model, shelf_.curves(*s_.hardware, *s_.engine), ranks, s_.precision,
                     s_.deployment, engine_, shelf_.routing(*s_.model, ranks.expert),
                     mix_.contexts);
  }

  MemoryPlan plan(const Deployment& ranks, double utilisation, double context) const {
    DeploymentSpec spec = s_.deployment;
    spec.memory_utilisation = utilisation;
    return plan_memory(*s_.model, *s_.hardware, ranks, s_.precision, spec, method_, context,
                       step_tokens(*s_.engine, spec, ranks, *s_.hardware));
  }

  /// Sending the cache of a prompt from one worker to another.
  TransferLink transfer(const Deployment& prefill, const Deployment& decode) const {
    const auto end = [&](const Deployment& d) {
      return TransferEnd{d, plan(d, s_.deployment.memory_utilisation, mix_.input)};
    };
    return link_of(plan_transfer(*s_.hardware, {}, end(prefill), end(decode), mix_.input,
                                 row_.prefill_gpus + row_.decode_gpus));
  }

  /// Cache blocks of a rank. A measured run did fit, so that weights which hardly do were run with
  /// a larger share of memory, and at least one request of the longest kind has room.
  std::int64_t cache_blocks(const Deployment& ranks) {
    double share = s_.deployment.memory_utilisation;
    MemoryPlan memory = plan(ranks, share, mix_.decode_context);
    if (s_.options.memory_share > 0 && s_.engine->policy == SchedulingPolicy::prefill_first) {
      // SGLang's share holds weights and cache only (model_runner.py, profile_max_num_token).
      share = std::min(1.0, share + memory.activations / s_.hardware->memory);
      memory = plan(ranks, share, mix_.decode_context);
    }
    if (memory.largest_batch < std::min(row_.concurrency, tight_room)) {
      memory = plan(ranks, std::max(share, tight_utilisation), mix_.decode_context);
      note("the engine's memory share is taken as 0.97 or more, because weights hardly fit");
    }
    const double blocks = memory.cache_blocks(mix_.decode_context, s_.engine->kv_block);
    const double longest = row_.input + row_.output + 2.0 * s_.deployment.mtp_draft_tokens + 1;
    return static_cast<std::int64_t>(
        std::max(blocks, std::ceil(longest / s_.engine->kv_block) + 2));
  }

  SchedulerConfig scheduler(const Deployment& ranks) {
    EngineSpec engine = *s_.engine;
    engine.limits = {{0, s_.deployment.max_num_seqs, s_.deployment.batched_tokens, {}}};
    SchedulerConfig c = scheduler_for(engine, s_.hardware->memory, ranks.data_attention);
    c.prefix_cache = s_.options.distinct_prompts > 0;
    if (c.policy == SchedulerPolicy::sglang) {
      c.mixed_chunk = s_.options.mixed_chunk;
      c.receive_interval = std::max(1, s_.options.receive_interval);
    } else {
      c.wait_steps = s_.options.wait_steps;
      c.wait_tokens =
          static_cast<std::int64_t>(s_.options.wait_share * static_cast<double>(c.batched_tokens));
      c.balance_steps = s_.options.balance_steps;
    }
    if (as_vllm_) c.policy = SchedulerPolicy::vllm;
    c.draft_tokens = s_.deployment.mtp_draft_tokens;
    c.tokens_per_step = s_.deployment.mtp_acceptance_length;
    const std::int64_t fed = 1 + c.draft_tokens;
    const std::int64_t users = (row_.concurrency + ranks.data_attention - 1) / ranks.data_attention;
    if (c.policy != SchedulerPolicy::sglang) {
      c.max_sequences = static_cast<std::int32_t>(
          std::min<std::int64_t>(c.max_sequences, c.batched_tokens / fed));
    }
    c.max_sequences =
        static_cast<std::int32_t>(std::min<std::int64_t>(c.max_sequences, 2 * users + 8));
    c.blocks = cache_blocks(ranks);
    return c;
  }

  StepTable step_table(const StepModel& model, const SchedulerConfig& c) const {
    StepTableRange range;
    range.ranks = c.ranks;
    range.max_sequences = c.max_sequences;
    range.batched_tokens = c.batched_tokens;
    range.context = static_cast<std::int64_t>(row_.input + row_.output) + 1;
    range.graphs = graphs_up_to(s_.engine->graphs, s_.deployment.max_num_seqs);
    range.unpadded = s_.options.unpadded_graphs;
    return StepTable(model, range);
  }

  MeasuredTimes loop(ServingSystem system) const {
    MeasuredLoop l;
    l.system = std::move(system);
    l.request = s_.request;
    l.users = static_cast<std::int64_t>(row_.concurrency);
    l.requests = static_cast<std::int64_t>(row_.requests);
    if (l.requests == 0) l.requests = l.users * s_.options.requests_per_user;
    l.distinct_prompts = s_.options.distinct_prompts;
    l.ingest = s_.engine->host_per_request;
    const double reading = s_.engine->host_per_prompt_token * mix_.input;
    // In front of two pools stands a router that reads many requests at once.
    (l.system.decode || s_.options.reads_at_once ? l.ingest : l.reading) += reading;
    return simulate_loop(l, 1);
  }

  MeasuredTimes together() {
    ServingSystem system;
    system.engines.scheduler = scheduler(s_.ranks);
    const StepModel model = step_model(s_.ranks);
    const StepTable table = step_table(model, system.engines.scheduler);
    system.engines.timer = &table;
    return loop(std::move(system));
  }

  MeasuredTimes apart() {
    // Of a worker for decoding the quicker layout is taken, as those who publish its best points
    // do.
    StepLoad load;
    load.decode_sequences = std::max(1.0, row_.concurrency / row_.decode_workers);
    load.decode_context = mix_.decode_context;
    Deployment decode_ranks = s_.ranks;
    const Deployment& other = s_.other_ranks;
    if (other.stage_ranks() == s_.ranks.stage_ranks() &&
        step_model(other).seconds(load) < step_model(s_.ranks).seconds(load)) {
      decode_ranks = other;
    }
    ServingSystem system;
    EnginePool& prefill = system.engines;
    EnginePool& decode = system.decode.emplace();
    for (auto [pool, ranks] : {std::pair(&prefill, &s_.prefill_ranks), {&decode, &decode_ranks}}) {
      pool->scheduler = scheduler(*ranks);
      if (pool->scheduler.policy == SchedulerPolicy::trtllm)
        pool->scheduler.policy = SchedulerPolicy::vllm;
      pool->scheduler.whole_prompts = false;
      pool->scheduler.receive_interval = 1;
      pool->scheduler.balance_steps = pool->scheduler.wait_steps = 0;
    }
    system.link = transfer(s_.prefill_ranks, decode_ranks);
    prefill.replicas = row_.prefill_workers;
    decode.replicas = row_.decode_workers;
    const StepModel of_prefill = step_model(s_.prefill_ranks), of_decode = step_model(decode_ranks);
    const StepTable prefill_table = step_table(of_prefill, prefill.scheduler),
                    decode_table = step_table(of_decode, decode.scheduler);
    prefill.timer = &prefill_table;
    decode.timer = &decode_table;
    return loop(std::move(system));
  }

  const MeasuredRow& row_;
  const RowScenario& s_;
  const PredictionShelf& shelf_;
  const MethodSpec& method_;
  const WorkloadMix mix_;
  EngineSpec engine_;
  bool as_vllm_ = false;
  RowPrediction out_;
};

}  // namespace

double output_rate(const MeasuredRow& row, double ttft, double tpot) {
  const double answer = row.length_factor * row.output;
  const double lifetime = ttft + tpot * std::max(0.0, answer - 1);
  if (!(ttft > 0) || !(tpot > 0)) return 0;
  return row.concurrency * answer / lifetime / gpus_of(row);
}

int gpus_of(const MeasuredRow& row) {
  const int aggregated = row.tensor * row.data_attention;
  return std::max(1, row.mode == "disagg" ? row.prefill_gpus + row.decode_gpus : aggregated);
}

RowPrediction predict_row(const MeasuredRow& row, const RowScenario& scenario,
                          const PredictionShelf& shelf, const MethodSpec& method) {
  return RowPredictor(row, scenario, shelf, method).run();
}

}  // namespace tollgate
