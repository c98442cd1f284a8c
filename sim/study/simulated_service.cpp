#include "sim/study/simulated_service.h"

#include <algorithm>
#include <cmath>

#include "sim/serving/engine/engine_scheduler.h"

namespace tollgate {

namespace {

SchedulerConfig scheduler_of(const CandidateSpec& candidate, int ranks) {
  EngineSpec engine = candidate.engine;
  engine.limits = {{0, candidate.deployment.max_num_seqs, candidate.deployment.batched_tokens, {}}};
  return scheduler_for(engine, candidate.hardware.memory, ranks);
}

}  // namespace

SimulatedService::SimulatedService(const CandidateSpec& candidate, const Deployment& deployment,
                                   const PrecisionMap& precision, const EngineCurves& curves,
                                   const RoutingTables& routing, const ContextMix& contexts,
                                   const MemoryPlan& memory, double plan_context,
                                   std::int64_t context, const SimulationSpec& simulation)
    : scheduler_(scheduler_of(candidate, deployment.data_attention)),
      ingest_(candidate.engine.host_per_request),
      ingest_per_token_(candidate.engine.host_per_prompt_token) {
  const DeploymentSpec& spec = candidate.deployment;
  SchedulerConfig& s = scheduler_;
  s.ranks = deployment.data_attention * deployment.pipeline;
  s.context = context;
  const auto per_rank = [&](double per_group) {
    return std::max<std::int64_t>(1, std::llround(std::floor(per_group / deployment.pipeline)));
  };
  double sequences = spec.max_num_seqs;
  if (spec.max_batch > 0) {
    sequences =
        std::min(sequences, static_cast<double>(spec.max_batch) / deployment.data_attention);
  }
  s.max_sequences = static_cast<std::int32_t>(per_rank(sequences));
  s.blocks = per_rank(memory.cache_blocks(plan_context, s.block_tokens));
  s.draft_tokens = spec.mtp_draft_tokens;
  s.tokens_per_step = spec.mtp_acceptance_length;
  s.sample_acceptance = simulation.sample_acceptance;
  if (simulation.host_cache > 0) {
    const double per_token = memory.per_sequence() / plan_context;
    s.host_blocks = per_rank(simulation.host_cache / (per_token * s.block_tokens));
    s.load_per_token = in_ticks(per_token / simulation.host_bandwidth);
  }

  EngineSpec engine = candidate.engine;
  engine.graphs.clear();  // the table pads batch by batch
  // Prompts come one by one: each has its own length, and its tokens see all before them.
  ContextMix single = contexts;
  single.prompts.clear();
  single.prefill = {{0.125, 0.25}, {0.375, 0.25}, {0.625, 0.25}, {0.875, 0.25}};
  const StepModel model(candidate.model, curves, deployment, precision, spec, engine, routing,
                        single);
  StepTableRange range;
  range.ranks = deployment.data_attention;
  range.pipeline = deployment.pipeline;
  range.max_sequences = s.max_sequences;
  range.batched_tokens = s.batched_tokens;
  range.context = context;
  range.graphs = graphs_up_to(candidate.engine.graphs, spec.max_num_seqs);
  table_ = std::make_unique<StepTable>(model, range);
}

TransferLink link_of(const CacheTransfer& transfer) {
  return {in_ticks(transfer.latency), in_ticks(transfer.per_token)};
}

}  // namespace tollgate
