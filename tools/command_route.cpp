#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/base/text.h"
#include "sim/report/number_format.h"
#include "sim/report/text_table.h"
#include "sim/report/version.h"
#include "sim/spec/library.h"
#include "sim/timing/routing_table.h"
#include "tools/arguments.h"
#include "tools/engine.h"
#include "tools/output.h"
#include "tools/route_eplb.h"

namespace tollgate {
namespace {

using Json = nlohmann::ordered_json;
using kernels::RoutingProblem;
using kernels::RoutingStats;

const FfnSpec& moe_layer(const LlmSpec& model, const std::string& wanted) {
  std::vector<std::string> kinds;
  for (const FfnSpec& ffn : model.ffns) {
    if (ffn.kind != FfnKind::moe) continue;
    if (wanted.empty() || ffn.name == wanted) return ffn;
    kinds.push_back(ffn.name);
  }
  if (kinds.empty()) throw InputError("tollgate route: " + model.name + " has no expert layers.");
  throw InputError("tollgate route: " + model.name + " has no expert layers named " +
                   quote(wanted) + "; it has " + join(kinds) + ".");
}

kernels::GateSpec explicit_gate(const Arguments& arguments) {
  kernels::GateSpec gate;
  const std::string score = arguments.text("--score");
  gate.score = score == "sigmoid"         ? kernels::ScoreFunction::sigmoid
               : score == "sqrt_softplus" ? kernels::ScoreFunction::sqrt_softplus
                                          : kernels::ScoreFunction::softmax;
  gate.groups = static_cast<int>(arguments.integer("--groups", 1, kernels::kMaxGroups));
  gate.groups_kept =
      arguments.has("--groups-kept")
          ? static_cast<int>(arguments.integer("--groups-kept", 1, kernels::kMaxGroups))
          : gate.groups;
  gate.group_reduce = arguments.text("--group-value") == "top2" ? kernels::GroupReduce::top2_sum
                                                                : kernels::GroupReduce::max;
  gate.top_k = static_cast<int>(arguments.integer("--top-k", 1, kernels::kMaxTopK));
  return gate;
}

kernels::PopularitySpec popularity(const Arguments& arguments, std::string_view family) {
  const std::string kind = arguments.text("--popularity");
  if (kind == "family" && !arguments.has("--sigma")) return popularity_of(family);
  kernels::PopularitySpec spread;
  if (kind != "lognormal") {
    if (arguments.has("--sigma"))
      throw InputError("tollgate route: --sigma goes with --popularity lognormal.");
  } else {
    if (!arguments.has("--sigma"))
      throw InputError("tollgate route: --popularity lognormal needs --sigma.");
    spread.sigma_global = arguments.number("--sigma", 0, 16);
  }
  return spread;
}

RoutingProblem problem_of(const Arguments& arguments) {
  RoutingProblem problem;
  std::string family;
  if (arguments.has("--model")) {
    for (const char* option :
         {"--experts", "--top-k", "--score", "--groups", "--groups-kept", "--group-value"}) {
      if (!arguments.has(option)) continue;
      throw InputError(std::string("tollgate route: --model and ") + option +
                       " exclude each other; the model has its own gate.");
    }
    Library library(Library::find_root());
    const LlmSpec model =
        library.model(arguments.text("--model"), {"tollgate route --model", 0, 0});
    const FfnSpec& ffn = moe_layer(model, arguments.text("--layer-kind"));
    problem.gate = gate_of(ffn);
    problem.experts = ffn.experts;
    family = model.family;
  } else if (arguments.has("--experts")) {
    problem.experts = static_cast<int>(arguments.integer("--experts", 1, kernels::kMaxExperts));
    problem.gate = explicit_gate(arguments);
  } else {
    throw InputError("tollgate route: give --model NAME, or --experts N and --top-k K.");
  }
  problem.popularity = popularity(arguments, family);
  problem.seed = static_cast<std::uint64_t>(arguments.integer("--seed", 0, 9'000'000'000'000'000));
  problem.layers = static_cast<int>(arguments.integer("--layers", 1, 4096));
  problem.tokens = static_cast<int>(arguments.integer("--tokens", 1, 1 << 24));
  problem.batch_sizes = arguments.integers("--batch", 1, 1 << 24);
  problem.rank_counts = arguments.integers("--ranks", 1, kernels::kMaxExperts);
  return problem;
}

std::string text_of(const RoutingProblem& problem, const RoutingStats& stats) {
  using Align = TextTable::Align;
  std::string out = std::to_string(stats.experts) + " experts, top " + std::to_string(stats.top_k);
  if (problem.gate.groups > 1) {
    out += ", the best " + std::to_string(problem.gate.groups_kept) + " of " +
           std::to_string(problem.gate.groups) + " groups";
  }
  const auto& spread = problem.popularity;
  out += "; popularity sigma " + shortest(spread.sigma_global) + " global, " +
         shortest(spread.sigma_domain) + " domain, " + shortest(spread.sigma_topic) + " topic\n";
  out += std::to_string(stats.layers) + " layers of " + grouped(stats.tokens, 0) +
         " tokens, seed " + std::to_string(problem.seed) + "\n\n";
  TextTable table;
  table.column("batch", Align::right);
  table.column("distinct", Align::right, "experts of a layer");
  table.column("hottest/mean", Align::right, "experts of a layer");
  table.column("ranks", Align::right);
  for (const char* heading : {"load/mean", "P95/mean", "max/mean", "distinct", "padded rows"}) {
    table.column(heading, Align::right, "busiest rank of a batch");
  }
  table.column("ranks/token", Align::right);
  for (const kernels::BatchStats& batch : stats.batches) {
    for (const kernels::RankStats& rank : batch.ranks) {
      const bool first = &rank == &batch.ranks.front();
      table.row({first ? std::to_string(batch.batch_size) : "",
                 first ? fixed(batch.mean_distinct_experts(), 1) : "",
                 first ? fixed(batch.mean_expert_imbalance(), 2) : "", std::to_string(rank.ranks),
                 fixed(rank.mean_imbalance(), 3),
                 fixed(rank.busiest_load_percentile(95) / rank.mean_rank_load, 3),
                 fixed(static_cast<double>(rank.busiest_load_max) / rank.mean_rank_load, 3),
                 fixed(rank.mean_busiest_distinct(), 1), grouped(rank.mean_padded_rows_64(), 0),
                 fixed(stats.traffic_to(rank.ranks).mean_destination_ranks(), 2)});
    }
  }
  for (const auto& lines : {table.head(), table.body()}) {
    for (const std::string& line : lines) out.append(line).append("\n");
  }
  return out;
}

Json eplb_json(const std::vector<EplbRow>& rows) {
  Json list = Json::array();
  for (const EplbRow& row : rows) {
    const auto part = [](const kernels::DispatchStats& s) {
      return Json{
          {"busiest_over_mean", s.mean_imbalance()},  {"busiest_rows_p50", s.busiest_rows.p50()},
          {"busiest_rows_p95", s.busiest_rows.p95()}, {"busiest_rows_max", s.busiest_rows.max()},
          {"active_slots_p95", s.active_slots.p95()}, {"scale_up_rows_p95", s.scale_up.p95()},
          {"network_rows_p95", s.network.p95()}};
    };
    list.push_back({{"ranks", row.ranks},
                    {"batch_tokens", row.batch},
                    {"slots", row.slots},
                    {"contiguous", part(row.study.steps_contiguous)},
                    {"planned", part(row.study.steps_served)},
                    {"fresh", part(row.study.steps_fresh)}});
  }
  return list;
}

std::string json_of(const RoutingProblem& problem, const RoutingStats& stats,
                    const std::vector<EplbRow>& eplb) {
  Json json{{"format_version", run_format_version},
            {"tool_version", tool_version},
            {"experts", stats.experts},
            {"top_k", stats.top_k},
            {"groups", problem.gate.groups},
            {"groups_kept", problem.gate.groups_kept},
            {"sigma_global", problem.popularity.sigma_global},
            {"sigma_domain", problem.popularity.sigma_domain},
            {"sigma_topic", problem.popularity.sigma_topic},
            {"layers", stats.layers},
            {"tokens_per_layer", stats.tokens},
            {"seed", problem.seed},
            {"batches", Json::array()},
            {"traffic", Json::array()}};
  for (const kernels::BatchStats& batch : stats.batches) {
    Json entry{{"batch_tokens", batch.batch_size},
               {"samples", batch.samples},
               {"mean_distinct_experts", batch.mean_distinct_experts()},
               {"mean_hottest_expert_over_mean", batch.mean_expert_imbalance()},
               {"ranks", Json::array()}};
    for (const kernels::RankStats& rank : batch.ranks) {
      entry["ranks"].push_back(
          {{"ranks", rank.ranks},
           {"mean_rank_load", rank.mean_rank_load},
           {"busiest_load_sum", rank.busiest_load_sum},
           {"busiest_over_mean", rank.mean_imbalance()},
           {"busiest_p95_over_mean", rank.busiest_load_percentile(95) / rank.mean_rank_load},
           {"busiest_max_over_mean",
            static_cast<double>(rank.busiest_load_max) / rank.mean_rank_load},
           {"mean_distinct_experts_on_busiest", rank.mean_busiest_distinct()},
           {"mean_padded_rows_64_on_busiest", rank.mean_padded_rows_64()}});
    }
    json["batches"].push_back(std::move(entry));
  }
  for (const kernels::TrafficStats& traffic : stats.traffic) {
    json["traffic"].push_back(
        {{"ranks", traffic.ranks}, {"mean_ranks_per_token", traffic.mean_destination_ranks()}});
  }
  if (!eplb.empty()) json["eplb"] = eplb_json(eplb);
  return json.dump(2) + "\n";
}

int run(const Arguments& arguments, Console& console) {
  const RoutingProblem problem = problem_of(arguments);
  try {
    kernels::validate(problem);
  } catch (const std::invalid_argument& error) {
    throw InputError(std::string("tollgate route: ") + error.what());
  }
  return with_backend(arguments, "auto", console, [&](const kernels::RoutingBackend& backend) {
    const RoutingStats stats = backend.route(problem);
    std::vector<EplbRow> eplb;
    int redundant = 0;
    if (arguments.has("--eplb")) {
      redundant = static_cast<int>(arguments.integer("--eplb", 0, kernels::kMaxSlots));
      const int per_node =
          static_cast<int>(arguments.integer("--ranks-per-node", 1, kernels::kMaxRanks));
      try {
        eplb = study_eplb(backend, problem, redundant, per_node);
      } catch (const std::invalid_argument& error) {
        throw InputError(std::string("tollgate route: ") + error.what());
      }
    }
    const bool json = arguments.text("--format") == "json";
    deliver(json ? json_of(problem, stats, eplb)
                 : text_of(problem, stats) + (eplb.empty() ? "" : eplb_table(eplb, redundant)),
            arguments.text("--output"), console);
    return exit_code::ok;
  });
}

}  // namespace

Command route_command() {
  CommandHelp help;
  help.name = "route";
  help.summary = "Run the routing engine alone: loads, imbalance, distinct experts, traffic.";
  help.details = {
      "A batch is that many tokens routed together, such as one decode step. `busiest rank` "
      "compares the "
      "expert-parallel rank with most work to the mean: the whole group waits for it. Tokens per "
      "link follow "
      "from the number of ranks a token is sent to."};
  help.options = {
      {"--model", "", "NAME", "Gate and popularity of a model of models/llm."},
      {"--layer-kind", "", "NAME",
       "Which of the model's kinds of expert layers; left out: the first."},
      {"--experts", "", "N", "Routed experts, instead of --model."},
      {"--top-k", "", "K", "Experts per token.", "1"},
      {"--score",
       "",
       "FUNCTION",
       "Score function of the gate.",
       "softmax",
       {"softmax", "sigmoid", "sqrt_softplus"}},
      {"--groups", "", "N", "Groups of experts.", "1"},
      {"--groups-kept", "", "N", "Groups that take part for a token; left out: all."},
      {"--group-value",
       "",
       "KIND",
       "How a group is valued: its best expert, or its two best.",
       "best",
       {"best", "top2"}},
      {"--popularity",
       "",
       "KIND",
       "family: log-normal with the spread of the model's family; uniform; lognormal: the spread "
       "of --sigma.",
       "family",
       {"family", "uniform", "lognormal"}},
      {"--sigma", "", "S", "Standard deviation of the logarithm of expert popularity."},
      {"--layers", "", "N", "Independent layers.", "8"},
      {"--tokens", "", "N", "Tokens per layer.", "16384"},
      {"--batch", "", "LIST", "Batch sizes in tokens, such as 64,256.", "64,256"},
      {"--ranks", "", "LIST", "Expert-parallel sizes, such as 8,16.", "8"},
      {"--eplb", "", "N",
       "Also plan placement (EPLB) with N redundant experts and show what it repairs."},
      {"--ranks-per-node", "", "N", "Ranks that share a machine, for --eplb.", "8"},
      {"--seed", "", "N", "Seed of every random number.", "1"},
      backend_option(),
      threads_option(),
      format_option({"text", "json"}),
      output_option(),
  };
  help.examples = {{"tollgate route --model DeepSeek-V3 --batch 64,512 --ranks 8,32",
                    "How evenly a model's experts are used."},
                   {"tollgate route --model DeepSeek-V3 --ranks 32 --batch 4096 --eplb 32",
                    "What redundant experts and planned placement repair."},
                   {"tollgate route --experts 128 --top-k 8 --popularity lognormal --sigma 0.9",
                    "A gate of one's own."}};
  return {help, run};
}

}  // namespace tollgate
