#include "sim/timing/step_model.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace tollgate {
namespace {

/// Log-sd of the host terms, whose constants are assumed: a factor of two either way is P10-P90.
constexpr double host_log_sd = 0.5;

/// Processors that DeepEP's kernels for prompts hold (deep_ep/buffer.py, num_sms = 20); those for
/// decoding hold none while they wait for the network.
constexpr double exchange_processors = 20;

/// Masking by top-k and top-p with PyTorch, which sorts the logits of every sequence: seconds a
/// step and a logit, within 20 % of what vllm-project/vllm pull request 33538 measured for 48 to
/// 1024 sequences and 32768 logits (0.48 to 5.04 ms); pull request 40376, on a quicker device,
/// has 1.07 and 2.40 ms for 64 and 128 sequences and 131072 logits.
constexpr double sorting_step = 0.2e-3, sorting_per_logit = 150e-12, sorting_log_sd = 0.2;

/// Share of an operator class's error that its shapes have in common: a step sums many shapes,
/// whose own errors partly cancel. Calibrated, see docs/method.md, "Error bands".
constexpr double shared_error = 0.5;

/// How a table of operators enters a step.
struct FastSink {
  double seconds = 0;
  void rows(const RowTable& table, double rows, double times) {
    seconds += times * table.seconds(rows);
  }
  double call(OperatorClass, const StepCurve& curve, std::span<const double> shape, double times,
              bool, double hidden = 0) {
    const double t = times * (curve.seconds(shape.data()) - hidden);
    seconds += t;
    return t;
  }
  void imbalance(OperatorClass, double extra, const StepCurve&) { seconds += extra; }
  void host(double t) { seconds += t; }
  void sorting(double t) { seconds += t; }
  double total() const { return seconds; }
};

/// Keeps the exchange of tokens between expert-parallel ranks apart from the rest.
struct SplitSink {
  double work = 0, exchange = 0, on_host = 0;
  void rows(const RowTable& table, double rows, double times) {
    work += times * table.seconds(rows);
  }
  double call(OperatorClass c, const StepCurve& curve, std::span<const double> shape, double times,
              bool, double hidden = 0) {
    const double t = times * (curve.seconds(shape.data()) - hidden);
    (c == OperatorClass::collective ? exchange : work) += t;
    return t;
  }
  void imbalance(OperatorClass c, double extra, const StepCurve&) {
    (c == OperatorClass::collective ? exchange : work) += extra;
  }
  void host(double t) { on_host += t; }
  void sorting(double t) { work += t; }
};

struct DetailSink {
  StepTime time;
  std::array<double, operator_classes> spread{};
  /// Provenances by seconds: those that take less than a tenth of a class do not count.
  std::array<std::array<double, 4>, operator_classes> known{};

  LimitTimes& account(OperatorClass c, double seconds, double spread_of, Provenance provenance) {
    const auto i = static_cast<std::size_t>(c);
    spread[i] += spread_of;
    known[i][static_cast<std::size_t>(provenance)] += seconds;
    return time.by_class[i].at;
  }
  void rows(const RowTable& table, double rows, double times) {
    for (std::size_t i = 0; i < operator_classes; ++i) {
      const auto c = static_cast<OperatorClass>(i);
      const RowTable::Entry e = table.of(c, rows);
      if (e.seconds() <= 0) continue;
      LimitTimes& at = account(c, times * e.seconds(), times * e.spread, e.provenance);
      at.host += times * e.launch;
      at.compute += times * e.compute;
      at.hbm += times * e.memory;
      at.interconnect += times * e.link;
    }
  }
  double call(OperatorClass c, const StepCurve& curve, std::span<const double> shape, double times,
              bool computes, double hidden = 0) {
    const Estimate e = curve.choice.seconds(shape);
    const double t = times * (e.value - hidden);
    LimitTimes& at = account(c, t, t * log_sd_of(e.low, e.high), e.provenance);
    if (c == OperatorClass::collective) {
      at.interconnect += t;
      return t;
    }
    const double launch = std::min(t, times * (curve.launch - hidden));
    at.host += launch;
    (computes ? at.compute : at.hbm) += t - launch;
    return t;
  }
  void imbalance(OperatorClass c, double extra, const StepCurve& curve) {
    const Provenance p =
        curve.choice.rule == TransferRule::none ? Provenance::fitted : Provenance::assumed;
    account(c, extra, extra * curve.log_sd, p).imbalance += extra;
  }
  void host(double t) {
    account(OperatorClass::host, t, t * host_log_sd, Provenance::assumed).host += t;
  }
  void sorting(double t) {
    account(OperatorClass::elementwise, t, t * sorting_log_sd, Provenance::assumed).hbm += t;
  }
  double total() const { return time.seconds(); }
  /// So many seconds of the exchange pass beside other work.
  void hide(double seconds) {
    const auto i = static_cast<std::size_t>(OperatorClass::collective);
    const double all = time.by_class[i].seconds();
    if (seconds <= 0 || all <= 0) return;
    scale(i, std::max(0.0, 1 - seconds / all));
    // Half a batch may pad to a smaller graph: what that saves is everybody's.
    const double left = total(), more = seconds - all;
    for (std::size_t c = 0; more > 0 && c < operator_classes; ++c) scale(c, 1 - more / left);
  }
  void scale(std::size_t c, double share) {
    LimitTimes& at = time.by_class[c].at;
    for (double* part : {&at.compute, &at.hbm, &at.interconnect, &at.imbalance, &at.host})
      *part *= share;
    spread[c] *= share;
    for (double& of : known[c]) of *= share;
  }
  void finish() {
    for (std::size_t i = 0; i < operator_classes; ++i) {
      const double total = time.by_class[i].seconds();
      if (total > 0) time.by_class[i].log_sd = shared_error * spread[i] / total;
      for (std::size_t p = 0; p < known[i].size(); ++p) {
        if (known[i][p] > 0 && known[i][p] >= 0.1 * total) {
          time.by_class[i].provenance =
              worst(time.by_class[i].provenance, static_cast<Provenance>(p));
        }
      }
    }
  }
};

/// Prompts of which a step computes `tokens`, each of which attends to `attended` positions on
/// average: one chunk behind what is cached or done before, or as many whole prompts.
struct Prompts {
  double batch = 1, seq = 1, past = 0;
  Prompts(double tokens, double attended) {
    const double before = std::max(attended, 0.5) - tokens / 2;
    if (before >= 0) {
      seq = tokens;
      past = before;
    } else {
      seq = 2 * std::max(attended, 0.5);
      batch = tokens / seq;
    }
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

StepModel::StepModel(const LlmSpec& model, const EngineCurves& curves, const Deployment& d,
                     const PrecisionMap& precision, const DeploymentSpec& spec,
                     const EngineSpec& engine, const RoutingTables& routing,
                     const ContextMix& contexts)
    : deployment_(d),
      drafts_(spec.mtp_draft_tokens),
      host_per_step_(engine.host_per_step),
      host_per_sequence_(engine.host_per_sequence),
      host_per_call_(engine.host_per_call),
      host_per_eager_step_(engine.host_per_eager_step),
      prompt_graph_rows_(engine.prompt_graph_rows),
      piecewise_prompts_(engine.piecewise_prompts),
      graphs_(spec.max_num_seqs > 0
                  ? graphs_up_to(engine.graphs, spec.max_num_seqs * (1 + spec.mtp_draft_tokens))
                  : engine.graphs) {
  const HardwareSpec& hw = curves.hardware();
  const OperatorContext context{model, curves, d, precision, routing, contexts, used_};
  // A pipeline advances at the pace of its fullest stage.
  const auto layers = static_cast<double>(model.layers.size());
  const double pace = d.pipeline * std::ceil(layers / d.pipeline) / layers;
  PassCount pass;
  for (const LayerSpec& layer : model.layers) pass.add(layer, pace);
  main_ = build_operators(context, pass);
  if (drafts_ > 0) {
    host_per_step_ += engine.draft_host_per_step;
    host_per_sequence_ += engine.draft_host_per_sequence;
    PassCount draft;
    draft.add(model.mtp.layer, 1);
    draft_ = build_operators(context, draft, true);
  }
  if (engine.sorted_sampling) sorting_per_row_ = sorting_per_logit * model.vocab;
  if (spec.two_batch_overlap) {
    for (const ExpertLayer& layer : main_.experts) exchange_layers_ += layer.out ? layer.layers : 0;
    if (hw.processors > 0 && engine.expert_exchange == ExpertExchange::deepep)
      exchange_share_ = std::min(1.0, exchange_processors / hw.processors);
  }
  if (d.pipeline > 1) {
    // What leaves one rank for another is half of what both have after an all-gather of two.
    StepCurve pair = curves.of("all_gather", bytes_precision, {}, Data::cold, "nccl");
    if (d.gpus() > hw.per_domain) pair.choice.context.device.per_domain = 1;
    RowOperator hand_over;
    hand_over.operator_class = OperatorClass::collective;
    hand_over.curve = &pair;
    hand_over.times = d.pipeline - 1;
    hand_over.shape = {2, 0};
    hand_over.column = 1;
    hand_over.per_row = 2 * model.hidden * 2.0;
    pipeline_ = RowTable({hand_over});
  }
}

template <class Sink>
void StepModel::attend(const AttentionCore& core, const Rows& rows, double times,
                       Sink& sink) const {
  using Kind = AttentionCore::Kind;
  const double n = times * core.times;
  const auto kind =
      core.kind == Kind::linear ? OperatorClass::linear_attention : OperatorClass::attention;
  const auto& r = core.rest;
  const auto call = [&](const StepCurve* curve, std::initializer_list<double> shape, bool computes,
                        double hidden = 0, double share = 1) {
    sink.call(kind, *curve, std::span(shape.begin(), shape.size()), n * share, computes, hidden);
  };
  if (rows.sequences > 0) {
    // Draft tokens share the cache they read but not the arithmetic: as many more heads.
    const double batch = rows.sequences, queries = rows.queries;
    const double context = std::max(rows.decode_context, queries);
    const double seen = std::max(1.0, core.seen(context) * core.decode_shrink);
    const bool computes = core.decode_intensity * queries > 1;
    switch (core.kind) {
      case Kind::gqa:
        call(core.decode,
             {batch, seen, core.heads * queries, core.kv_heads, core.head_dim, core.window},
             computes);
        break;
      case Kind::latent:
        call(core.decode, {batch, seen * core.latent_width, core.heads * queries}, computes);
        break;
      case Kind::sparse:
        call(core.decode,
             {batch, queries, context - queries, core.heads, r[0], r[1], r[2], r[3], r[4], r[5]},
             false);
        break;
      case Kind::compressed:
        call(core.decode,
             {batch, queries, context - queries, core.heads, r[0], r[1], r[2], r[3], r[4]}, false);
        break;
      case Kind::linear:
        if (core.decode_convolution)
          call(core.decode_convolution, {batch, queries, core.channels}, false);
        call(core.decode, {batch, queries, r[0], r[1], r[2], r[3], r[4]}, false);
        break;
    }
  }
  if (rows.prompt_rows > 0) {
    const Prompts p(rows.prompt_rows, rows.prompt_context);
    switch (core.kind) {
      case Kind::gqa:
        call(core.prefill,
             {p.batch, p.seq, p.past, core.heads, core.kv_heads, core.head_dim, core.window}, true);
        break;
      case Kind::latent: {
        const Prompts seen(rows.prompt_rows, core.seen(rows.prompt_context) * core.prefill_shrink);
        const bool absorbed =
            core.absorbed_prefill && seen.past >= 1 && seen.batch * seen.past < core.absorbed_below;
        call(absorbed ? core.absorbed_prefill : core.prefill,
             {seen.batch, seen.seq, seen.past, core.kv_heads}, true);
        break;
      }
      case Kind::sparse: {
        const auto dense = [&](const Prompts& q, double share) {
          call(core.dense_prefill, {q.batch, q.seq, q.past, core.heads, r[0], 2}, true,
               core.dense_hidden, share);
        };
        const auto sparse = [&](const Prompts& q, double share) {
          call(core.prefill,
               {q.batch, q.seq, q.past, core.heads, r[0], r[1], r[2], r[3], r[4], r[5]}, true,
               core.prefill_hidden, share);
        };
        const auto of_side = [&](const AttentionCore::Side& side) {
          return Prompts(rows.prompt_rows * side.rows, rows.prompt_context * side.context);
        };
        if (core.dense_side.share > 0) {
          dense(of_side(core.dense_side), core.dense_side.share);
          sparse(of_side(core.sparse_side), core.sparse_side.share);
        } else if (core.dense_prefill && p.seq + p.past <= core.sparse_top_k) {
          dense(p, 1);
        } else {
          sparse(p, 1);
        }
        break;
      }
      case Kind::compressed:
        call(core.prefill, {p.batch, p.seq, p.past, core.heads, r[0], r[1], r[2], r[3], r[4]}, true,
             core.prefill_hidden);
        break;
      case Kind::linear:
        if (core.prefill_convolution)
          call(core.prefill_convolution, {p.batch, p.seq, core.channels}, false);
        call(core.prefill, {p.batch, p.seq, r[0], r[1], r[2], r[3], r[4]}, true);
        break;
    }
  }
}

template <class Sink>
void StepModel::route(const ExpertLayer& layer, const Rows& rows, double times, Sink& sink) const {
  const double n = times * layer.layers;
  const double tokens = rows.prompt_tokens + rows.decode_tokens;
  const double even_rows = tokens * layer.top_k / layer.ranks;
  const RoutingTable::Point p = routed(layer.routing, rows.prompt_tokens, rows.decode_tokens);
  const double reached = layer.routing.decode->destination_ranks() / layer.ranks;
  const double entering = layer.tokens_everywhere ? tokens : tokens * std::min(1.0, reached);
  const auto shape = [&](double of_rank, double active, double scale) {
    const auto padded = [&](double padded_rows) { return std::max(of_rank, padded_rows * scale); };
    const double choices = layer.tokens_everywhere ? tokens * layer.top_k : of_rank;
    return std::array<double, 12>{
        layer.hidden, layer.inter,      layer.gated,      entering,          choices,       of_rank,
        active,       padded(p.rows16), padded(p.rows64), padded(p.rows128), layer.experts, 0};
  };
  const double busiest_rows = even_rows * p.busiest_ratio;
  const double active = p.slots_read / layer.ranks;
  const bool computes = layer.compute_per_row * std::max(even_rows, p.rows64 / p.busiest_ratio) >
                        layer.weight_seconds * active + layer.memory_per_row * even_rows;
  const double even = sink.call(OperatorClass::experts, *layer.curve,
                                shape(even_rows, active, 1 / p.busiest_ratio), n, computes);
  const double busiest = n * layer.curve->seconds(shape(busiest_rows, p.rank_distinct, 1).data());
  sink.imbalance(OperatorClass::experts, std::max(0.0, busiest - even), *layer.curve);

  const double group_rows = rows.prompt_rows + rows.decode_rows;
  if (layer.out) {
    const bool prompts = rows.prompt_rows > 0;
    const double of_rank = group_rows / layer.senders;
    const std::array<double, 5> shape_of_both{layer.exchange_ranks, of_rank, layer.hidden,
                                              prompts ? layer.exchange_top_k : layer.fast_top_k,
                                              prompts ? 0 : layer.experts * layer.ranks};
    for (const StepCurve* curve :
         {prompts ? layer.out : layer.fast_out, prompts ? layer.back : layer.fast_back}) {
      const double t = sink.call(OperatorClass::collective, *curve, shape_of_both, n, false);
      const double moving = std::max(0.0, t - n * curve->launch);
      sink.imbalance(OperatorClass::collective, (p.link_ratio - 1) * moving, *curve);
    }
  }
}

template <class Sink>
void StepModel::pass(const OperatorSet& operators, const Rows& rows, double times,
                     double logit_times, Sink& sink) const {
  const double all = rows.prompt_rows + rows.decode_rows;
  if (all <= 0) return;
  sink.rows(operators.per_token, all, times);
  sink.rows(operators.per_logit, rows.logits, logit_times);
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
    sink.rows(pipeline_, rows.prompt_rows + rows.decode_rows, 1);
  }
  if (sorting_per_row_ > 0) sink.sorting(stages * (sorting_step + sorting_per_row_ * rows.logits));
  sink.host(host_per_step_ + host_per_sequence_ * (sequences + finished));
}

LaunchPace StepModel::launch_pace() const {
  LaunchPace pace;
  if (host_per_call_ == 0 && host_per_eager_step_ == 0) return pace;
  // Drafts are made outside of what is compiled (NVIDIA/TensorRT-LLM, model_engine.py: the
  // decoder).
  const double calls = piecewise_prompts_ ? main_.piecewise_calls : main_.calls;
  pace.seconds =
      host_per_eager_step_ + host_per_call_ * (calls + drafts_ * draft_.calls) + host_per_step_;
  pace.per_sequence = host_per_sequence_;
  pace.graph_rows = prompt_graph_rows_;
  pace.rows_per_sequence = tokens_per_sequence();
  return pace;
}

Launches StepModel::launches(const StepLoad& load) const {
  if (load.prefill_tokens <= load.prompts_finished) return {};
  const double groups = deployment_.data_attention;
  const double sequences =
      std::max(load.decode_sequences / groups, std::min(load.decode_sequences, 1.0));
  const LaunchPace pace = launch_pace();
  return {pace.of(sequences + load.prompts_finished / groups),
          std::max(load.prefill_tokens / groups, load.busiest_prompt_rows),
          std::max(0.0, pace.graph_rows - pace.rows(0, sequences))};
}

/// Two batches of half the load each: one computes while the tokens of the other are on their way.
/// The longer of both decides, what is shorter shows once. Weights are read twice. Kernels that
/// send prompts to their experts hold `exchange_processors` all the while.
double StepModel::two_batches(const StepLoad& load) const {
  StepLoad half = load;
  half.prefill_tokens /= 2;
  half.busiest_prompt_rows /= 2;
  half.prompts_finished /= 2;
  half.decode_sequences /= 2;
  SplitSink sink;
  walk(half, sink);
  const double held = load.prefill_tokens > 0 ? exchange_share_ : 0;
  const double work = 2 * sink.work, exchange = 2 * sink.exchange;
  const double took = 2 * sink.on_host - host_per_step_ +
                      std::max(exchange, work + held * exchange) +
                      std::min(sink.work, sink.exchange) / exchange_layers_;
  // Both launch every kernel.
  return std::max(took, 2 * launches(half).waited_for());
}

double StepModel::unhindered(const StepLoad& load) const {
  FastSink sink;
  walk(load, sink);
  return exchange_layers_ > 0 ? std::min(sink.seconds, two_batches(load)) : sink.seconds;
}

double StepModel::seconds(const StepLoad& load) const {
  return std::max(unhindered(load), launches(load).waited_for());
}

StepTime StepModel::detail(const StepLoad& load) const {
  DetailSink sink;
  walk(load, sink);
  if (exchange_layers_ > 0) sink.hide(sink.total() - two_batches(load));
  sink.host(std::max(0.0, launches(load).waited_for() - sink.total()));
  sink.finish();
  double variance = 0;
  for (const double spread : sink.spread) variance += spread * spread;
  const double seconds = sink.time.seconds();
  if (seconds > 0) sink.time.log_sd = shared_error * std::sqrt(variance) / seconds;
  return sink.time;
}

}  // namespace tollgate
