#include "sim/study/validation.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <tuple>

#include "sim/base/quantile.h"
#include "sim/base/text.h"
#include "sim/study/row_limits.h"

namespace tollgate {
namespace {

/// Benchmarks, which a row names as its source, send random or invented text: traffic of one kind.
/// Others serve the mix of the model's family.
int kinds_of_traffic(const MeasuredRow& row, int of_family) {
  return row.source.empty() ? of_family : 1;
}

/// Routing tables by model, expert-parallel size and kinds of traffic.
class Tables {
 public:
  explicit Tables(const kernels::RoutingBackend& backend) : backend_(backend) {}

  void want(const LlmSpec& model, const FamilyPopularity& popularity, int ranks, int domains) {
    Entry& entry = wanted_[{model.name, ranks, domains}];
    entry.model = &model;
    entry.popularity = popularity;
    entry.popularity.domains = domains;
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
                                     {std::get<1>(list[i]->first)}, backend_, run);
        };
        entry.tables[f] = {made(1), made(1024)};
      }
    });
  }

  const RoutingTables& of(const LlmSpec& model, int ranks, int domains) const {
    return wanted_.at({model.name, ranks, domains}).tables;
  }

 private:
  using Key = std::tuple<std::string, int, int>;
  struct Entry {
    const LlmSpec* model = nullptr;
    FamilyPopularity popularity;
    RoutingTables tables;
  };
  const kernels::RoutingBackend& backend_;
  std::map<Key, Entry> wanted_;
};

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

ValidationGroup group_of(std::vector<std::string> key,
                         const std::vector<const RowPrediction*>& rows) {
  ValidationGroup g;
  g.key = std::move(key);
  g.rows = static_cast<int>(rows.size());
  for (const RowPrediction* r : rows) g.predicted += r->predicted;
  g.ttft = summarise_errors(rows, &RowPrediction::ttft, &MeasuredRow::ttft);
  g.tpot = summarise_errors(rows, &RowPrediction::tpot, &MeasuredRow::tpot);
  g.throughput = summarise_errors(rows, &RowPrediction::throughput, &MeasuredRow::throughput);
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

std::vector<std::string> why_not_predicted(const Validation& validation) {
  std::map<std::string, std::vector<const RowPrediction*>> reasons;
  for (const RowPrediction& p : validation.rows) {
    if (!p.predicted) reasons[p.note].push_back(&p);
  }
  std::vector<std::string> out;
  for (const auto& [why, rows] : reasons) {
    const std::string& id = rows.front()->row.id;
    const bool one = rows.size() == 1 && !id.empty();
    out.push_back((one ? id + ": " : std::to_string(rows.size()) + " x ") + why);
  }
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
  for (const auto& [column, texts] : where) known(column);
  for (const std::string& column : by) known(column);

  Validation v;
  v.by = by;
  RowResolver resolver(library);
  Tables tables(backend);
  Curves curves(library);
  std::vector<RowScenario> scenarios;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    if (!std::all_of(where.begin(), where.end(), [&](const auto& condition) {
          const auto& texts = condition.second;
          return std::find(texts.begin(), texts.end(), table.text(i, condition.first)) !=
                 texts.end();
        })) {
      continue;
    }
    RowPrediction p;
    RowScenario s;
    try {
      p.row = measured_row(table, i);
      if (p.row.throughput == 0) p.row.throughput = output_rate(p.row, p.row.ttft, p.row.tpot);
      s = resolver.resolve(p.row);
      if (s.why.empty()) s.why = beyond_peak(p.row, s);
      if (s.why.empty()) {
        curves.want(*s.hardware, *s.engine);
        const FamilyPopularity& popularity = library.popularity(s.model->family);
        s.domains = kinds_of_traffic(p.row, popularity.domains);
        tables.want(*s.model, popularity, s.ranks.expert, s.domains);
        if (p.row.mode == "disagg") {
          for (const Deployment* d : {&s.prefill_ranks, &s.other_ranks})
            tables.want(*s.model, popularity, d->expert, s.domains);
        }
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
    if (!scenarios[i].why.empty()) return;
    const PredictionShelf shelf{
        [&](const HardwareSpec& hardware, const EngineSpec& engine) -> const EngineCurves& {
          return curves.of(hardware, engine);
        },
        [&](const LlmSpec& model, int ranks) -> const RoutingTables& {
          return tables.of(model, ranks, scenarios[i].domains);
        }};
    v.rows[i] = predict_row(v.rows[i].row, scenarios[i], shelf, method);
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
