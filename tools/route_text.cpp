#include "sim/base/text.h"
#include "sim/report/number_format.h"
#include "sim/report/text_table.h"
#include "tools/route_output.h"

namespace tollgate {
namespace {

using Align = TextTable::Align;

std::string lines_of(const TextTable& table) {
  std::string out;
  for (const auto& lines : {table.head(), table.body()}) {
    for (const std::string& line : lines) out.append(line).append("\n");
  }
  return out;
}

double over_mean(const kernels::StepLoads& loads, double rows) {
  const double mean = loads.rows.mean() / loads.ranks;
  return mean > 0 ? rows / mean : 1;
}

std::string title(const RouteQuestion& q, const RouteAnswer& a) {
  std::string out = (q.name.empty() ? "" : q.name + ": ") + std::to_string(q.ffn.experts) +
                    " experts, top " + std::to_string(a.top_k);
  if (q.ffn.zero_experts > 0) {
    out += " of these and " + std::to_string(q.ffn.zero_experts) + " zero experts";
  }
  if (q.ffn.router.each_group) {
    out += ", " + std::to_string(a.top_k / q.ffn.router.groups) + " of each of " +
           std::to_string(q.ffn.router.groups) + " groups";
  } else if (q.ffn.router.groups_kept < q.ffn.router.groups) {
    out += ", the best " + std::to_string(q.ffn.router.groups_kept) + " of " +
           std::to_string(q.ffn.router.groups) + " groups";
  }
  out += "; " + a.source + "\n";
  out += std::string(q.prefill ? "prefill, runs of " + grouped(q.prompt, 0) + " tokens of a request"
                               : "decode, every token of another request");
  out += "; " + std::to_string(a.layers) + " layers of " + grouped(q.routing.tokens, 0) +
         " tokens, seed " + std::to_string(q.seed) + "\n";
  const char* placement = q.plan.kind == ExpertPlan::Kind::eplb      ? "planned (EPLB)"
                          : q.plan.kind == ExpertPlan::Kind::striped ? "striped"
                                                                     : "contiguous";
  out += std::string("placement ") + placement;
  if (q.plan.redundant > 0)
    out += " with " + std::to_string(q.plan.redundant) + " redundant experts";
  out += ", " + std::to_string(q.plan.ranks_per_node) + " ranks per node\n\n";
  return out;
}

std::string loads_table(const RouteQuestion& q, const RouteAnswer& a) {
  TextTable table;
  table.column("tokens", Align::right);
  table.column("ranks", Align::right);
  table.column("distinct", Align::right, "experts of a layer");
  table.column("hottest/mean", Align::right, "experts of a layer");
  for (const char* heading : {"mean", "P50", "P95", "max"}) {
    table.column(heading, Align::right, "busiest rank over mean, layers and steps");
  }
  for (const char* heading : {"step P50", "step P95"}) {
    table.column(heading, Align::right, "all layers of a step");
  }
  for (const char* heading : {"experts read", "padded rows"}) {
    table.column(heading, Align::right, "busiest rank");
  }
  for (const RouteRow& row : a.rows) {
    const kernels::StepLoads& l = row.loads;
    const double per_expert = l.rows.mean() / q.ffn.experts;
    const auto steps = l.step_imbalance();
    table.row({grouped(row.tokens, 0), std::to_string(row.ranks), fixed(l.active_experts.mean(), 1),
               fixed(l.hottest_expert.mean() / per_expert, 2), fixed(l.imbalance(), 3),
               fixed(over_mean(l, static_cast<double>(l.busiest_rows.p50())), 3),
               fixed(over_mean(l, static_cast<double>(l.busiest_rows.p95())), 3),
               fixed(over_mean(l, static_cast<double>(l.busiest_rows.max())), 3),
               fixed(kernels::percentile_of(steps, 50), 3),
               fixed(kernels::percentile_of(steps, 95), 3), fixed(l.most_slots.mean(), 1),
               grouped(l.padded_rows[0].mean(), 0)});
  }
  return lines_of(table);
}

/// Bytes, or rows where the width is not known.
std::string amount(double rows, std::int64_t bytes) {
  return bytes > 0 ? bytes_text(rows * static_cast<double>(bytes)) : grouped(rows, 0);
}

std::string traffic_table(const RouteQuestion& q, const RouteAnswer& a) {
  const std::int64_t out = q.dispatch_bytes(), both = out + q.combine_bytes();
  TextTable table;
  table.column("tokens", Align::right);
  table.column("ranks", Align::right);
  table.column("ranks", Align::right, "a token goes to");
  table.column("nodes", Align::right, "a token goes to");
  table.column("at most", Align::right, "a token goes to");
  table.column("dispatch", Align::right, "a rank sends");
  table.column("combine", Align::right, "a rank sends");
  table.column("P50", Align::right, "busiest rank, both");
  table.column("P95", Align::right, "busiest rank, both");
  for (const char* heading : {"P50 ", "P95 ", "max "}) {
    table.column(heading, Align::right, "busiest scale-up link");
  }
  for (const char* heading : {"P50  ", "P95  ", "max  "}) {
    table.column(heading, Align::right, "busiest network card");
  }
  for (const RouteRow& row : a.rows) {
    if (row.ranks < 2) continue;
    const kernels::DispatchStats& s = row.traffic;
    const bool low = q.mode() == kernels::TransferMode::low_latency;
    const double sent = (low ? s.rows.mean() : s.spread.ranks_per_token() * row.tokens) / row.ranks;
    const auto of = [&](std::int64_t rows) { return amount(static_cast<double>(rows), both); };
    const auto network = [&](std::int64_t rows) { return s.network.max() > 0 ? of(rows) : "-"; };
    table.row({grouped(row.tokens, 0), std::to_string(row.ranks),
               fixed(s.spread.ranks_per_token(), 2), fixed(s.spread.nodes_per_token(), 2),
               std::to_string(s.spread.most_nodes), amount(sent, out),
               amount(sent, q.combine_bytes()), of(s.received.p50()), of(s.received.p95()),
               of(s.scale_up.p50()), of(s.scale_up.p95()), of(s.scale_up.max()),
               network(s.network.p50()), network(s.network.p95()), network(s.network.max())});
  }
  if (table.body().empty()) return "";
  return std::string("\nper layer and step, ") +
         (both > 0
              ? "bytes of dispatch (" +
                    std::string(q.format == kernels::RowFormat::fp8 ? "fp8 with scales" : "bf16") +
                    ") and combine (bf16)"
              : "rows of dispatch (give --width for bytes)") +
         ", " + (q.prefill ? "one copy per rank and node" : "one copy per choice") + "\n" +
         lines_of(table);
}

std::string repair_table(const RouteQuestion& q, const RouteAnswer& a) {
  TextTable table;
  table.column("tokens", Align::right);
  table.column("ranks", Align::right);
  table.column("slots", Align::right);
  for (const char* heading : {"contiguous", "planned", "fresh"}) {
    table.column(heading, Align::right, "busiest rank over mean");
  }
  for (const char* heading : {"contiguous ", "planned ", "fresh "}) {
    table.column(heading, Align::right, "P95 of layers and steps");
  }
  for (const RouteRow& row : a.rows) {
    if (!row.repair) continue;
    const RouteRow::Repair& r = *row.repair;
    std::vector<std::string> cells{grouped(row.tokens, 0), std::to_string(row.ranks),
                                   std::to_string(r.slots)};
    for (const auto* l : {&r.contiguous, &r.planned, &r.fresh}) {
      cells.push_back(fixed(l->imbalance(), 3));
    }
    for (const auto* l : {&r.contiguous, &r.planned, &r.fresh}) {
      cells.push_back(fixed(over_mean(*l, static_cast<double>(l->busiest_rows.p95())), 3));
    }
    table.row(cells);
  }
  if (table.body().empty()) return "";
  return "\nwhat EPLB repairs with " + std::to_string(q.plan.redundant) +
         " redundant experts (contiguous: without them), planned on an earlier window of " +
         (q.plan.plan_domains > 0 ? std::to_string(q.plan.plan_domains) + " kinds of traffic"
                                  : std::string("the same traffic")) +
         " (fresh: on the one served)\n" + lines_of(table);
}

std::string capacity_table(const RouteQuestion& q, const RouteAnswer& a) {
  if (a.capacity.empty()) return "";
  TextTable table;
  table.column("tokens", Align::right);
  table.column("capacity", Align::right);
  for (const char* heading : {"mean", "P95", "max"}) {
    table.column(heading, Align::right, "choices dropped, %");
  }
  for (const char* heading : {"mean ", "max "}) {
    table.column(heading, Align::right, "tokens without any expert, %");
  }
  for (const CapacityRow& row : a.capacity) {
    const auto share = [&](double dropped) {
      return fixed(row.choices > 0 ? 100 * dropped / row.choices : 0, 2);
    };
    const auto of_tokens = [&](double tokens) { return fixed(100 * tokens / row.tokens, 2); };
    table.row({grouped(row.tokens, 0), grouped(row.capacity.mean(), 0), share(row.dropped.mean()),
               share(static_cast<double>(row.dropped.p95())),
               share(static_cast<double>(row.dropped.max())), of_tokens(row.unserved.mean()),
               of_tokens(static_cast<double>(row.unserved.max()))});
  }
  return "\nif experts take no more than their capacity (" + name_of(q.capacity->rule) +
         " rule, factor " + shortest(q.capacity->factor) +
         ", dropped in token order), layers and steps\n" + lines_of(table);
}

std::string layers_table(const RouteQuestion& q, const RouteAnswer& a) {
  const RouteRow& row = a.rows.front();
  const kernels::StepLoads& l = row.loads;
  TextTable table;
  table.column("layer", Align::right);
  table.column("distinct", Align::right);
  table.column("hottest/mean", Align::right);
  for (const char* heading : {"mean", "P50", "P95", "max"}) {
    table.column(heading, Align::right, "busiest rank over mean");
  }
  const int experts = q.ffn.experts;
  for (int layer = 0; layer < a.layers; ++layer) {
    const auto part = [&](const kernels::Distribution& d) {
      const auto first = d.samples.begin() + static_cast<std::ptrdiff_t>(layer) * l.steps;
      return kernels::Distribution{{first, first + l.steps}};
    };
    const double mean = part(l.rows).mean() / l.ranks;
    const kernels::Distribution busiest = part(l.busiest_rows);
    const auto over = [&](double rows) { return fixed(mean > 0 ? rows / mean : 1, 3); };
    table.row(
        {std::to_string(layer), fixed(part(l.active_experts).mean(), 1),
         fixed(part(l.hottest_expert).mean() * static_cast<double>(experts) / part(l.rows).mean(),
               2),
         over(busiest.mean()), over(static_cast<double>(busiest.p50())),
         over(static_cast<double>(busiest.p95())), over(static_cast<double>(busiest.max()))});
  }
  return "\nlayer by layer, " + grouped(row.tokens, 0) + " tokens on " + std::to_string(row.ranks) +
         (row.ranks == 1 ? " rank\n" : " ranks\n") + lines_of(table);
}

}  // namespace

std::string route_text(const RouteQuestion& q, const RouteAnswer& a) {
  return title(q, a) + loads_table(q, a) + traffic_table(q, a) + repair_table(q, a) +
         capacity_table(q, a) + layers_table(q, a);
}

}  // namespace tollgate
