#include "tools/route_eplb.h"

#include "sim/base/text.h"
#include "sim/report/text_table.h"

namespace tollgate {
namespace {

/// Busiest rank over mean rank at the 95th percentile of layers and steps.
double p95_over_mean(const kernels::DispatchStats& stats) {
  const double mean = stats.rows.mean() / stats.ranks;
  return mean > 0 ? static_cast<double>(stats.busiest_rows.p95()) / mean : 1;
}

}  // namespace

std::vector<EplbRow> study_eplb(const kernels::RoutingBackend& backend,
                                const kernels::RoutingProblem& problem, int redundant,
                                int ranks_per_node) {
  kernels::RoutingProblem earlier = problem;
  earlier.stream = problem.stream + 1;
  const auto planned_on = backend.select(earlier);
  const auto served = backend.select(problem);
  const auto selections = [&](const std::vector<std::uint16_t>& ids) {
    return kernels::Selections{ids, problem.layers, problem.tokens, problem.gate.top_k};
  };
  const auto counts = kernels::count_experts(selections(planned_on), problem.experts);
  std::vector<EplbRow> rows;
  for (const int ranks : problem.rank_counts) {
    kernels::EplbOptions plan;
    plan.slots = kernels::slots_for(problem.experts, redundant, ranks);
    plan.groups = problem.gate.groups;
    plan.grid = {ranks, ranks % ranks_per_node == 0 ? ranks_per_node : ranks};
    for (const int batch : problem.batch_sizes) {
      kernels::StudyOptions options;
      options.batch_size = batch;
      options.zero_experts = problem.gate.zero_experts;
      rows.push_back({ranks, batch, plan.slots,
                      kernels::study_plan(counts, selections(served), plan, options)});
    }
  }
  return rows;
}

std::string eplb_table(const std::vector<EplbRow>& rows, int redundant) {
  using Align = TextTable::Align;
  TextTable table;
  table.column("ranks", Align::right);
  table.column("batch", Align::right);
  table.column("slots", Align::right);
  for (const char* heading : {"contiguous", "planned", "fresh"}) {
    table.column(heading, Align::right, "busiest rank over mean");
  }
  for (const char* heading : {"contiguous ", "planned ", "fresh "}) {
    table.column(heading, Align::right, "P95 of layers and steps");
  }
  for (const EplbRow& row : rows) {
    const kernels::PlanStudy& s = row.study;
    table.row({std::to_string(row.ranks), std::to_string(row.batch), std::to_string(row.slots),
               fixed(s.steps_contiguous.mean_imbalance(), 3),
               fixed(s.steps_served.mean_imbalance(), 3), fixed(s.steps_fresh.mean_imbalance(), 3),
               fixed(p95_over_mean(s.steps_contiguous), 3), fixed(p95_over_mean(s.steps_served), 3),
               fixed(p95_over_mean(s.steps_fresh), 3)});
  }
  std::string out = "\nEPLB with " + std::to_string(redundant) +
                    " redundant experts, planned on an earlier window of the same traffic (fresh: "
                    "on the served one)\n\n";
  for (const auto& lines : {table.head(), table.body()}) {
    for (const std::string& line : lines) out.append(line).append("\n");
  }
  return out;
}

}  // namespace tollgate
