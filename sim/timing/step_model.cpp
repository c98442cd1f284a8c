#include "sim/timing/step_model.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace tollgate {
namespace {

/// Log-sd of the host terms, whose constants are assumed: a factor of two either way is P10-P90.
constexpr double host_log_sd = 0.5;

/// Share of an operator class's error that its shapes have in common: a step sums many shapes,
/// whose own errors partly cancel. Calibrated, see docs/method.md, "Error bands".
constexpr double shared_error = 0.5;

struct FastSink {
  double seconds = 0;
  void add(OperatorClass, double launch, double compute, double memory, double, Provenance) {
    seconds += launch + std::max(compute, memory);
  }
  void link(double launch, double transfer, double, Provenance) { seconds += launch + transfer; }
  void imbalance(double extra, double, Provenance) { seconds += extra; }
};

struct DetailSink {
  StepTime time;
  std::array<double, operator_classes> spread{};

  LimitTimes& account(OperatorClass c, double seconds, double log_sd, Provenance provenance) {
    const auto i = static_cast<std::size_t>(c);
    spread[i] += seconds * log_sd;
    StepTime::Class& entry = time.by_class[i];
    if (seconds > 0) entry.provenance = worst(entry.provenance, provenance);
    return entry.at;
  }
  void add(OperatorClass c, double launch, double compute, double memory, double log_sd,
           Provenance p) {
    LimitTimes& at = account(c, launch + std::max(compute, memory), log_sd, p);
    at.host += launch;
    (compute > memory ? at.compute : at.hbm) += std::max(compute, memory);
  }
  void link(double launch, double transfer, double log_sd, Provenance p) {
    account(OperatorClass::collective, launch + transfer, log_sd, p).interconnect +=
        launch + transfer;
  }
  void imbalance(double extra, double log_sd, Provenance p) {
    account(OperatorClass::experts, extra, log_sd, p).imbalance += extra;
  }
};

/// Statistics of a step that routes prompt and decode tokens together: each at the whole number of
/// tokens, mixed by their shares.
RoutingTable::Point routed(const LayerRouting& routing, double prompt_tokens,
                           double decode_tokens) {
  const double tokens = prompt_tokens + decode_tokens;
  if (!routing.prefill || prompt_tokens <= 0) return routing.decode->at(tokens);
  if (decode_tokens <= 0) return routing.prefill->at(tokens);
  return mix(routing.decode->at(tokens), routing.prefill->at(tokens), prompt_tokens / tokens);
}

}  // namespace

std::string_view LimitTimes::largest() const {
  const std::pair<double, std::string_view> all[] = {{compute, "compute"},
                                                     {hbm, "hbm"},
                                                     {interconnect, "interconnect"},
                                                     {imbalance, "imbalance"},
                                                     {host, "host"}};
  return std::max_element(std::begin(all), std::end(all),
                          [](const auto& a, const auto& b) { return a.first < b.first; })
      ->second;
}

LimitTimes StepTime::limits() const {
  LimitTimes sum;
  for (const Class& c : by_class) {
    sum.compute += c.at.compute;
    sum.hbm += c.at.hbm;
    sum.interconnect += c.at.interconnect;
    sum.imbalance += c.at.imbalance;
    sum.host += c.at.host;
  }
  return sum;
}

Provenance StepTime::provenance() const {
  const double total = seconds();
  Provenance result = Provenance::exact;
  for (const Class& c : by_class) {
    if (c.seconds() >= 0.1 * total) result = worst(result, c.provenance);
  }
  return result;
}

StepModel::StepModel(const LlmSpec& model, const HardwareSpec& hw, const Deployment& d,
                     const PrecisionMap& precision, const DeploymentSpec& spec,
                     const EngineSpec& engine, const RoutingTables& routing,
                     const ContextMix& contexts)
    : deployment_(d),
      drafts_(spec.mtp_draft_tokens),
      host_per_step_(engine.host_per_step),
      host_per_sequence_(engine.host_per_sequence),
      graphs_(engine.graphs) {
  const OperatorContext context{model, hw, d, precision, routing, contexts};
  // A pipeline advances at the pace of its fullest stage.
  const auto layers = static_cast<double>(model.layers.size());
  const double pace = d.pipeline * std::ceil(layers / d.pipeline) / layers;
  PassCount pass;
  for (const LayerSpec& layer : model.layers) pass.add(layer, pace);
  main_ = build_operators(context, pass);
  if (drafts_ > 0) {
    PassCount draft;
    draft.add(model.mtp.layer, 1);
    draft_ = build_operators(context, draft);
    // A draft module joins the embedding and the hidden state.
    const double hidden = model.hidden;
    draft_.per_token.push_back(
        matrix_operator(context, {hidden, 2 * hidden, 1, TensorClass::attention}, 1));
  }
  if (d.pipeline > 1) {
    const bool near = d.gpus() <= hw.per_domain;
    const OperatorEfficiency& e = hw.efficiency.all_to_all;
    const LinkSpec& link = near ? hw.scale_up : hw.scale_out;
    pipeline_launch_ = (d.pipeline - 1) * (e.launch + (near ? 0 : link.latency));
    pipeline_per_token_ = (d.pipeline - 1) * model.hidden * 2.0 / (e.memory * link.bandwidth);
    pipeline_log_sd_ = e.log_sd;
    pipeline_provenance_ = e.provenance;
  }
}

template <class Sink>
void StepModel::attend(const AttentionCore& core, const Rows& rows, double times,
                       Sink& sink) const {
  const auto kind = core.linear ? OperatorClass::linear_attention : OperatorClass::attention;
  if (rows.sequences > 0) {
    if (core.linear) {
      sink.add(kind, times * core.decode_launch, 0, times * core.decode_state * rows.sequences,
               core.decode_log_sd, core.decode_provenance);
    } else {
      const double positions = core.seen(rows.decode_context) * core.decode_shrink * rows.sequences;
      const double indexed = rows.decode_context / core.compression * rows.sequences;
      // Draft tokens share the cache they read but not the arithmetic.
      sink.add(
          kind, times * core.decode_launch,
          times * (core.decode_compute * positions + core.index_compute * indexed) * rows.queries,
          times * (core.decode_memory * positions + core.index_memory * indexed),
          core.decode_log_sd, core.decode_provenance);
    }
  }
  if (rows.prompt_rows > 0) {
    double compute = 0, memory = 0;
    if (core.linear) {
      compute = core.prefill_token * rows.prompt_rows;
    } else {
      const double positions =
          core.seen(rows.prompt_context) * core.prefill_shrink * rows.prompt_rows;
      const bool sparse =
          core.sparse_top_k > 0 && rows.prompt_context / core.compression > core.sparse_top_k;
      compute = (sparse ? core.sparse_compute : core.prefill_compute) * positions +
                core.index_compute * rows.prompt_context / core.compression * rows.prompt_rows;
      memory = (sparse ? core.sparse_memory : core.prefill_memory) * positions;
    }
    sink.add(kind, times * core.prefill_launch, times * compute, times * memory,
             core.prefill_log_sd, core.prefill_provenance);
  }
}

template <class Sink>
void StepModel::route(const ExpertLayer& layer, const Rows& rows, double times, Sink& sink) const {
  const double tokens = rows.prompt_tokens + rows.decode_tokens;
  const double mean_rows = tokens * layer.top_k / layer.ranks;
  const RoutingTable::Point p = routed(layer.routing, rows.prompt_tokens, rows.decode_tokens);
  const double worst_rows = mean_rows * p.busiest_ratio;
  // Kernels take tiles of 64 rows where experts are full and of 16 where they are nearly empty.
  const double small_tiles =
      p.rank_distinct * std::max(16.0, worst_rows / std::max(1.0, p.rank_distinct) + 8);
  const double padded = std::max(std::min(p.padded_rows, small_tiles), worst_rows);
  const double compute = std::max(mean_rows, padded / p.busiest_ratio) * layer.compute_per_row;
  const double memory =
      p.distinct / layer.ranks * layer.weight_seconds + mean_rows * layer.memory_per_row;
  const double worst_compute = padded * layer.compute_per_row;
  const double worst_memory =
      p.rank_distinct * layer.weight_seconds + worst_rows * layer.memory_per_row;
  const double n = times * layer.layers;
  sink.add(OperatorClass::experts, n * layer.launch, n * compute, n * memory, layer.log_sd,
           layer.provenance);
  sink.imbalance(
      n * std::max(0.0, std::max(worst_compute, worst_memory) - std::max(compute, memory)),
      layer.log_sd, layer.provenance);
  if (layer.exchange) {
    sink.link(n * layer.exchange_launch,
              n * p.busiest_ratio *
                  (layer.exchange_per_prompt * rows.prompt_rows +
                   layer.exchange_per_decode * rows.decode_rows),
              layer.exchange_log_sd, layer.exchange_provenance);
  }
}

template <class Sink>
void StepModel::pass(const OperatorSet& operators, const Rows& rows, double times,
                     double logit_times, Sink& sink) const {
  const double all = rows.prompt_rows + rows.decode_rows;
  if (all <= 0) return;
  const auto apply = [&](const RowOperator& op, double count, double n) {
    if (op.operator_class == OperatorClass::collective) {
      sink.link(n * op.launch, n * op.memory_per_row * count, op.log_sd, op.provenance);
    } else {
      sink.add(op.operator_class, n * op.launch, n * op.compute_per_row * count,
               n * (op.memory_fixed + op.memory_per_row * count), op.log_sd, op.provenance);
    }
  };
  for (const RowOperator& op : operators.per_token) apply(op, all, times);
  for (const RowOperator& op : operators.per_logit) apply(op, rows.logits, logit_times);
  for (const AttentionCore& core : operators.cores) attend(core, rows, times, sink);
  for (const ExpertLayer& layer : operators.experts) route(layer, rows, times, sink);
}

template <class Sink>
void StepModel::walk(const StepLoad& load, Sink& sink) const {
  const double groups = deployment_.data_attention;
  // Groups step together, so all wait for the one with most prompt tokens, and for a whole
  // sequence.
  const double prompt_rows = std::max(load.prefill_tokens / groups, load.busiest_prompt_rows);
  const double sequences =
      std::max(load.decode_sequences / groups, std::min(load.decode_sequences, 1.0));
  const double finished = load.prompts_finished / groups;
  const double fed = tokens_per_sequence();
  const Rows rows{load.prefill_tokens,
                  prompt_rows,
                  load.prefill_context,
                  load.decode_sequences * fed,
                  load.prefill_tokens > 0 ? sequences * fed : padded_rows(graphs_, sequences * fed),
                  sequences,
                  fed,
                  load.decode_context,
                  sequences * fed + finished};
  // LM head and draft module sit on the last stage, whose pace all stages keep.
  const double stages = deployment_.pipeline;
  pass(main_, rows, 1, stages, sink);
  if (drafts_ > 0) {
    // The first draft pass runs over the prompt and the verified tokens; each further one adds a
    // token per sequence.
    Rows draft = rows;
    draft.logits = sequences;
    pass(draft_, draft, stages, stages, sink);
    draft.prompt_tokens = draft.prompt_rows = 0;
    draft.decode_tokens = load.decode_sequences;
    draft.decode_rows = sequences;
    draft.queries = 1;
    if (drafts_ > 1) pass(draft_, draft, (drafts_ - 1) * stages, (drafts_ - 1) * stages, sink);
  }
  if (deployment_.pipeline > 1) {
    sink.link(pipeline_launch_, pipeline_per_token_ * (rows.prompt_rows + rows.decode_rows),
              pipeline_log_sd_, pipeline_provenance_);
  }
  sink.add(OperatorClass::host, host_per_step_ + host_per_sequence_ * (sequences + finished), 0, 0,
           host_log_sd, Provenance::assumed);
}

double StepModel::seconds(const StepLoad& load) const {
  FastSink sink;
  walk(load, sink);
  return sink.seconds;
}

StepTime StepModel::detail(const StepLoad& load) const {
  DetailSink sink;
  walk(load, sink);
  double variance = 0;
  for (const double spread : sink.spread) variance += spread * spread;
  const double seconds = sink.time.seconds();
  if (seconds > 0) sink.time.log_sd = shared_error * std::sqrt(variance) / seconds;
  return sink.time;
}

}  // namespace tollgate
