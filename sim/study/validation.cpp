#include "sim/study/validation.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "sim/base/quantile.h"
#include "sim/base/text.h"
#include "sim/placement/memory_plan.h"
#include "sim/serving/engine/engine_scheduler.h"
#include "sim/serving/steady_state.h"
#include "sim/study/measured_loop.h"

namespace tollgate {
namespace {

/// Where fewer sequences than this fit, a run was made with a larger share of memory.
constexpr double tight_room = 8;
constexpr double tight_utilisation = 0.97;

/// Routing tables by model and expert-parallel size.
class Tables {
 public:
  explicit Tables(const kernels::RoutingBackend& backend) : backend_(backend) {}

  void want(const LlmSpec& model, const FamilyPopularity& popularity, int ranks) {
    Entry& entry = wanted_[{model.name, ranks}];
    entry.model = &model;
    entry.popularity = popularity;
  }

  void fill() {
    std::vector<std::pair<const Key, Entry>*> list;
    for (auto& entry : wanted_) list.push_back(&entry);
    tbb::parallel_for(std::size_t{0}, list.size(), [&](std::size_t i) {
      Entry& entry = list[i]->second;
      const LlmSpec& model = *entry.model;
      entry.tables.resize(model.ffns.size());
      for (std::size_t f = 0; f < model.ffns.size(); ++f) {
        if (model.ffns[f].kind != FfnKind::moe) continue;
        const auto made = [&](int run) {
          return make_routing_tables(model.ffns[f], entry.popularity, {}, 1,
                                     {list[i]->first.second}, backend_, run);
        };
        entry.tables[f] = {made(1), made(1024)};
      }
    });
  }

  const RoutingTables& of(const LlmSpec& model, int ranks) const {
    return wanted_.at({model.name, ranks}).tables;
  }

 private:
  using Key = std::pair<std::string, int>;
  struct Entry {
    const LlmSpec* model = nullptr;
    FamilyPopularity popularity;
    RoutingTables tables;
  };
  const kernels::RoutingBackend& backend_;
  std::map<Key, Entry> wanted_;
};

struct Times {
  double ttft = 0, tpot = 0;
};

/// A closed loop of `concurrency` on one replica.
Times closed_loop(const StepModel& model, const WorkloadMix& mix, const SchedulerLimits& limits,
                  double batch_limit, double concurrency, double scale) {
  const double in_flight = std::min(concurrency, batch_limit);
  const SteadyState s = solve_steady_state(model, mix, limits, in_flight, scale);
  // Requests beyond what memory or the scheduler holds wait outside (Little's law).
  const double outside = (concurrency - in_flight) / s.requests_per_second;
  // The first `concurrency` requests arrive together: on average half of their prompts go first.
  const StepLoad full = s.mixed_load;
  const double per_step = std::max(full.prefill_tokens, 1.0);
  const double step = scale * model.seconds(full);
  const double burst = std::max(0.0, (in_flight - 1) / 2 * mix.uncached / per_step * step);
  return {s.ttft + outside + burst / requests_per_user, s.tpot};
}

/// The same, simulated event by event as the engine schedules it.
Times simulated_loop(const MeasuredRow& row, const RowScenario& s, const Tables& tables,
                     const EngineCurves& curves, const ContextMix& contexts,
                     const MemoryPlan& memory, double context) {
  EngineSpec engine = *s.engine;
  engine.graphs.clear();  // the table pads batch by batch
  const StepModel model(*s.model, curves, s.ranks, s.precision, s.deployment, engine,
                        tables.of(*s.model, s.ranks.expert), contexts);
  MeasuredLoop loop;
  loop.engine = s.engine;
  loop.hardware = s.hardware;
  loop.ranks = s.ranks;
  loop.deployment = s.deployment;
  loop.request = s.request;
  loop.users = static_cast<std::int64_t>(row.concurrency);
  loop.blocks = cache_blocks(memory, context, s.engine->kv_block);
  const SchedulerConfig scheduler = scheduler_for(*s.engine, s.hardware->memory);
  StepTableRange range;
  range.ranks = s.ranks.data_attention;
  range.max_sequences = std::min<std::int64_t>(scheduler.max_sequences, loop.users);
  range.batched_tokens = scheduler.batched_tokens;
  range.context = static_cast<std::int64_t>(row.input + row.output) + 1;
  range.graphs = s.engine->graphs;
  const StepTable table(model, range);
  loop.table = &table;
  const MeasuredTimes times = simulate_loop(loop, 1);
  return {times.ttft, times.tpot};
}

/// Prefill and decode workers apart: decode steps never carry prompts, prompts queue for a worker.
Times split_loop(const StepModel& prefill, const StepModel& decode, const RowScenario& s,
                 const MeasuredRow& row, const WorkloadMix& mix, const SchedulerLimits& limits,
                 double scale) {
  const double workers = row.prefill_workers;
  StepLoad prompt;
  prompt.prefill_tokens = std::min(mix.uncached, limits.batched_tokens);
  prompt.prefill_context = mix.prefill_context;
  prompt.prompts_finished = 1;
  const double groups = s.prefill_ranks.data_attention;
  const double service = scale * prefill.seconds(prompt) * mix.uncached / prompt.prefill_tokens;
  // Fixed point: requests decode at the rate at which prompts pass (closed loop).
  const double capacity = workers * groups / service;
  double waiting = 0, tpot = 0, rate = 0;
  double decoding = row.concurrency;
  for (int i = 0; i < 60; ++i) {
    StepLoad step;
    step.decode_sequences = std::max(1e-3, decoding / row.decode_workers);
    step.decode_context = mix.decode_context;
    tpot = scale * decode.seconds(step) / limits.acceptance_length;
    const double residence = limits.host_per_request + service + waiting + tpot * mix.decoded;
    rate = std::min(row.concurrency / residence, 0.999 * capacity);
    const double busy = rate / capacity;
    // Service of a prompt hardly varies: M/D/c by Sakasegawa's formula, the population's own share
    // taken out.
    const double servers = workers * groups;
    const double queue = std::pow(busy, std::sqrt(2 * (servers + 1))) / (1 - busy) / 2 * service /
                         servers * (row.concurrency - 1) / row.concurrency;
    waiting = 0.5 * (waiting + std::min(queue, row.concurrency / capacity));
    decoding = 0.5 * (decoding + rate * tpot * mix.decoded);
  }
  const double burst = (row.concurrency - 1) / 2 / capacity / requests_per_user;
  return {limits.host_per_request + service + waiting + burst + tpot, tpot};
}

/// Curves by device and engine. Names tell them apart: rows of a table take both from the library.
class Curves {
 public:
  explicit Curves(Library& library) : files_(std::make_shared<CurveFiles>(library)) {}
  void want(const HardwareSpec& hardware, const EngineSpec& engine) {
    auto& curves = by_name_[{hardware.name, engine.name}];
    if (!curves) curves = std::make_unique<EngineCurves>(files_, hardware, engine);
  }
  const EngineCurves& of(const HardwareSpec& hardware, const EngineSpec& engine) const {
    return *by_name_.at({hardware.name, engine.name});
  }

 private:
  std::shared_ptr<CurveFiles> files_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<EngineCurves>> by_name_;
};

RowPrediction predict(const MeasuredRow& row, const RowScenario& s, const Tables& tables,
                      const Curves& curves, const MethodSpec& method) {
  RowPrediction out;
  out.row = row;
  out.note = s.note;
  const WorkloadMix mix = summarise({s.request});
  SchedulerLimits limits;
  limits.batched_tokens = s.deployment.batched_tokens;
  limits.host_per_request = s.engine->host_per_request;
  const auto model_of = [&](const Deployment& d) {
    return StepModel(*s.model, curves.of(*s.hardware, *s.engine), d, s.precision, s.deployment,
                     *s.engine, tables.of(*s.model, d.expert), mix.contexts);
  };
  const StepModel model = model_of(s.ranks);
  const auto note = [&](const std::string& text) {
    out.note += (out.note.empty() ? "" : "; ") + text;
  };
  const auto plan = [&](double utilisation) {
    DeploymentSpec spec = s.deployment;
    spec.memory_utilisation = utilisation;
    return plan_memory(*s.model, *s.hardware, s.ranks, s.precision, spec, method,
                       mix.decode_context);
  };
  MemoryPlan memory;
  if (row.mode == "agg") {
    memory = plan(s.deployment.memory_utilisation);
    // The run was made, so its weights did fit: such runs raise the engine's memory share.
    if (memory.largest_batch < std::min(row.concurrency, tight_room)) {
      memory = plan(tight_utilisation);
      note("the engine's memory share is taken as 0.97, because weights hardly fit");
    }
  }
  const auto times = [&](double scale) {
    if (row.mode == "disagg")
      return split_loop(model_of(s.prefill_ranks), model, s, row, mix, limits, scale);
    return closed_loop(model, mix, limits, std::max(1.0, memory.largest_batch), row.concurrency,
                       scale);
  };
  Times middle;
  // Requests of one length would march in step for ever; real clients' do not.
  if (row.mode == "agg" && row.length_factor < 1) {
    try {
      middle = simulated_loop(row, s, tables, curves.of(*s.hardware, *s.engine), mix.contexts,
                              memory, mix.decode_context);
    } catch (const InputError& error) {
      note(std::string("steady state, because the engine cannot be simulated: ") + error.what());
    }
  }
  if (middle.tpot <= 0) middle = times(1);
  StepLoad load;
  load.decode_sequences = std::max(1.0, row.concurrency / std::max(1, row.decode_workers));
  load.decode_context = mix.decode_context;
  const StepTime detail = model.detail(load);
  const double log_sd = std::hypot(detail.log_sd, method.serving_log_sd);
  const Provenance provenance = worst(detail.provenance(), Provenance::fitted);
  out.predicted = std::isfinite(middle.ttft) && std::isfinite(middle.tpot) && middle.tpot > 0;
  if (!out.predicted) {
    note("the steady state has no solution");
    return out;
  }
  out.tpot = with_log_sd(middle.tpot, log_sd, provenance);
  out.ttft = with_log_sd(middle.ttft, std::hypot(log_sd, ttft_log_sd), provenance);
  return out;
}

ValidationGroup group_of(std::vector<std::string> key,
                         const std::vector<const RowPrediction*>& rows) {
  ValidationGroup g;
  g.key = std::move(key);
  g.rows = static_cast<int>(rows.size());
  for (const RowPrediction* r : rows) g.predicted += r->predicted;
  g.ttft = summarise_errors(rows, &RowPrediction::ttft, &MeasuredRow::ttft);
  g.tpot = summarise_errors(rows, &RowPrediction::tpot, &MeasuredRow::tpot);
  return g;
}

}  // namespace

ErrorSummary summarise_errors(const std::vector<const RowPrediction*>& rows,
                              const Estimate RowPrediction::*estimate,
                              const double MeasuredRow::*measured) {
  ErrorSummary out;
  std::vector<double> ape, ratio;
  int inside = 0;
  double sum = 0;
  for (const RowPrediction* r : rows) {
    const double truth = r->row.*measured;
    if (!r->predicted || truth <= 0) continue;
    const Estimate& e = r->*estimate;
    ratio.push_back(e.value / truth - 1);
    ape.push_back(std::fabs(ratio.back()));
    sum += ape.back();
    inside += truth >= e.low && truth <= e.high;
  }
  out.rows = static_cast<int>(ape.size());
  if (ape.empty()) return out;
  out.mape = sum / out.rows;
  out.median_ape = quantile(ape, 0.5);
  out.p90_ape = quantile(ape, 0.9);
  out.bias = quantile(ratio, 0.5);
  out.coverage = static_cast<double>(inside) / out.rows;
  return out;
}

Validation validate(const CsvTable& table, const RowFilter& where,
                    const std::vector<std::string>& by, Library& library,
                    const kernels::RoutingBackend& backend) {
  for (const char* column : {"model", "isl", "osl", "concurrency"}) {
    if (!table.has(column))
      throw InputError(table.header_place(), std::string("the table has no column '") + column +
                                                 "', which validation needs.");
  }
  const auto known = [&](const std::string& column) {
    if (table.has(column)) return;
    throw InputError(table.header_place(), "the table has no column " + quote(column) + "." +
                                               did_you_mean(column, table.columns()));
  };
  for (const auto& [column, text] : where) known(column);
  for (const std::string& column : by) known(column);

  Validation v;
  v.by = by;
  RowResolver resolver(library);
  Tables tables(backend);
  Curves curves(library);
  std::vector<RowScenario> scenarios;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    if (!std::all_of(where.begin(), where.end(), [&](const auto& condition) {
          return table.text(i, condition.first) == condition.second;
        })) {
      continue;
    }
    RowPrediction p;
    RowScenario s;
    try {
      p.row = measured_row(table, i);
      s = resolver.resolve(p.row);
      if (s.why.empty()) {
        curves.want(*s.hardware, *s.engine);
        tables.want(*s.model, library.popularity(s.model->family), s.ranks.expert);
        if (p.row.mode == "disagg")
          tables.want(*s.model, library.popularity(s.model->family), s.prefill_ranks.expert);
      }
    } catch (const InputError& error) {
      p.row.id = table.text(i, "id");
      p.row.line = i;
      s.why = error.what();
    }
    p.note = s.why;
    v.rows.push_back(std::move(p));
    scenarios.push_back(std::move(s));
  }
  tables.fill();
  const MethodSpec method;
  tbb::parallel_for(std::size_t{0}, v.rows.size(), [&](std::size_t i) {
    if (scenarios[i].why.empty())
      v.rows[i] = predict(v.rows[i].row, scenarios[i], tables, curves, method);
  });

  std::vector<const RowPrediction*> all;
  std::map<std::vector<std::string>, std::vector<const RowPrediction*>> groups;
  for (const RowPrediction& p : v.rows) {
    all.push_back(&p);
    std::vector<std::string> key;
    for (const std::string& column : by) key.push_back(table.text(p.row.line, column));
    if (!by.empty()) groups[key].push_back(&p);
  }
  v.all = group_of({}, all);
  for (const auto& [key, rows] : groups) v.groups.push_back(group_of(key, rows));
  return v;
}

}  // namespace tollgate
