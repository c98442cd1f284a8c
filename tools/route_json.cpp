#include <nlohmann/json.hpp>

#include "sim/report/version.h"
#include "tools/route_output.h"

namespace tollgate {
namespace {

using Json = nlohmann::ordered_json;

Json distribution(const kernels::Distribution& d, double scale) {
  return {{"mean", d.mean() * scale},
          {"p50", static_cast<double>(d.p50()) * scale},
          {"p95", static_cast<double>(d.p95()) * scale},
          {"max", static_cast<double>(d.max()) * scale}};
}

double per_mean_rank(const kernels::StepLoads& loads) {
  return loads.rows.sum() > 0 ? loads.ranks / loads.rows.mean() : 0;
}

Json layers_json(const kernels::StepLoads& l, int experts) {
  Json list = Json::array();
  for (int layer = 0; layer < l.layers; ++layer) {
    const auto part = [&](const kernels::Distribution& d) {
      const auto first = d.samples.begin() + static_cast<std::ptrdiff_t>(layer) * l.steps;
      return kernels::Distribution{{first, first + l.steps}};
    };
    const double mean = part(l.rows).mean();
    list.push_back({{"layer", layer},
                    {"mean_distinct_experts", part(l.active_experts).mean()},
                    {"hottest_expert_over_mean",
                     mean > 0 ? part(l.hottest_expert).mean() * experts / mean : 0},
                    {"busiest_rank_over_mean",
                     distribution(part(l.busiest_rows), mean > 0 ? l.ranks / mean : 0)}});
  }
  return list;
}

Json repair_json(const RouteRow::Repair& r) {
  const auto part = [](const kernels::StepLoads& l) {
    return Json{{"busiest_over_mean", distribution(l.busiest_rows, per_mean_rank(l))},
                {"experts_read", distribution(l.most_slots, 1)}};
  };
  return {{"slots", r.slots},
          {"contiguous", part(r.contiguous)},
          {"planned", part(r.planned)},
          {"fresh", part(r.fresh)}};
}

Json traffic_json(const RouteQuestion& q, const RouteRow& row) {
  const kernels::DispatchStats& s = row.traffic;
  const std::int64_t out = q.dispatch_bytes(), back = q.combine_bytes();
  Json json{{"mean_ranks_per_token", s.spread.ranks_per_token()},
            {"mean_nodes_per_token", s.spread.nodes_per_token()},
            {"most_nodes_of_a_token", s.spread.most_nodes},
            {"rows",
             {{"sent_by_busiest_rank", distribution(s.sent, 1)},
              {"received_by_busiest_rank", distribution(s.received, 1)},
              {"busiest_scale_up_link", distribution(s.scale_up, 1)},
              {"busiest_network_card", distribution(s.network, 1)},
              {"network_total", distribution(s.network_total, 1)}}}};
  if (out == 0) return json;
  const auto bytes = [&](std::int64_t row_bytes) {
    const auto scale = static_cast<double>(row_bytes);
    return Json{{"row_bytes", row_bytes},
                {"busiest_rank", distribution(s.received, scale)},
                {"busiest_scale_up_link", distribution(s.scale_up, scale)},
                {"busiest_network_card", distribution(s.network, scale)}};
  };
  json["dispatch"] = bytes(out);
  json["combine"] = bytes(back);
  return json;
}

}  // namespace

std::string route_json(const RouteQuestion& q, const RouteAnswer& a) {
  static constexpr const char* placements[] = {"contiguous", "striped", "eplb"};
  Json json{{"format_version", run_format_version},
            {"tool_version", tool_version},
            {"layer", q.name},
            {"source", a.source},
            {"experts", q.ffn.experts},
            {"zero_experts", q.ffn.zero_experts},
            {"top_k", a.top_k},
            {"groups", q.ffn.router.groups},
            {"groups_kept", q.ffn.router.groups_kept},
            {"one_of_each_group", q.ffn.router.each_group},
            {"phase", q.prefill ? "prefill" : "decode"},
            {"tokens_of_a_request_in_a_row", q.prompt},
            {"placement", placements[static_cast<int>(q.plan.kind)]},
            {"redundant_experts", q.plan.redundant},
            {"dispatch_format", q.format == kernels::RowFormat::fp8 ? "fp8" : "bf16"},
            {"plan_domains", q.plan.plan_domains},
            {"replica_choice", name_of(q.choice)},
            {"ranks_per_node", q.plan.ranks_per_node},
            {"layers", a.layers},
            {"tokens_per_layer", q.routing.tokens},
            {"seed", q.seed},
            {"results", Json::array()}};
  const bool family = q.routing.popularity == RoutingSpec::Popularity::family;
  if (family && !q.ffn.router.hash) {
    json["popularity"] = {{"family", q.popularity.family},
                          {"confidence", grade_of(q.popularity.confidence)},
                          {"sigma_global", q.popularity.sigma_global},
                          {"sigma_domain", q.popularity.sigma_domain},
                          {"sigma_topic", q.popularity.sigma_topic}};
  }
  for (const RouteRow& row : a.rows) {
    const kernels::StepLoads& l = row.loads;
    const double per_expert = l.rows.mean() / q.ffn.experts;
    const auto steps = l.step_imbalance();
    Json entry{
        {"tokens", row.tokens},
        {"ranks", row.ranks},
        {"slots", row.slots},
        {"steps_per_layer", l.steps},
        {"samples", static_cast<std::int64_t>(l.layers) * l.steps},
        {"distinct_experts", distribution(l.active_experts, 1)},
        {"hottest_expert_over_mean",
         distribution(l.hottest_expert, per_expert > 0 ? 1 / per_expert : 0)},
        {"busiest_rank_rows", distribution(l.busiest_rows, 1)},
        {"busiest_rank_over_mean", distribution(l.busiest_rows, per_mean_rank(l))},
        {"step_busiest_rank_over_mean",
         {{"p50", kernels::percentile_of(steps, 50)}, {"p95", kernels::percentile_of(steps, 95)}}},
        {"experts_read_on_a_rank", distribution(l.most_slots, 1)},
        {"padded_rows_on_a_rank", distribution(l.padded_rows[0], 1)},
        {"traffic", traffic_json(q, row)},
        {"layers", layers_json(l, q.ffn.experts)}};
    if (row.repair) entry["eplb"] = repair_json(*row.repair);
    json["results"].push_back(std::move(entry));
  }
  if (q.capacity) {
    json["capacity"] = {{"rule", name_of(q.capacity->rule)},
                        {"factor", q.capacity->factor},
                        {"drop_order", "token"},
                        {"results", Json::array()}};
    for (const CapacityRow& row : a.capacity) {
      json["capacity"]["results"].push_back(
          {{"tokens", row.tokens},
           {"tokens_per_expert", distribution(row.capacity, 1)},
           {"dropped_share", distribution(row.dropped, row.choices > 0 ? 1 / row.choices : 0)},
           {"unserved_share", distribution(row.unserved, 1.0 / row.tokens)}});
    }
  }
  return json.dump(2) + "\n";
}

std::string route_dump(const RouteQuestion& q, const RouteAnswer& a) {
  std::string out = "layer_id,expert_id,activation_count\n";
  for (int layer = 0; layer < a.layers; ++layer) {
    const int choices = q.ffn.experts + q.ffn.zero_experts;
    for (int e = 0; e < choices; ++e) {
      out += std::to_string(layer) + ',' + std::to_string(e) + ',' +
             std::to_string(a.counts[static_cast<std::size_t>(layer) * choices + e]) + '\n';
    }
  }
  return out;
}

}  // namespace tollgate
