#include <algorithm>
#include <cmath>
#include <type_traits>

#include "sim/spec/model_schema.h"
#include "sim/spec/money.h"
#include "sim/spec/recipe_spec.h"

namespace tollgate {
namespace {

constexpr Need required = Need::required, optional = Need::optional;

FieldInfo day(const char* name, const char* doc) {
  FieldInfo f;
  f.name = name;
  f.doc = doc;
  return f;
}

const Schema<RecipeRule>& rule_schema() {
  using R = RecipeRule;
  constexpr Range count{1, 1e6};
  static const auto schema =
      Schema<R>("recipe rule", "Options of an engine, and where they hold.")
          .text("engine", &R::engine, required, "Engine of models/engines.")
          .text_list("models", &R::models, "Only these entries of models/llm.")
          .text_list("devices", &R::devices, "Only these entries of models/hardware.")
          .text("precision", &R::precision, optional, "Only weights in this format.")
          .text("version", &R::version, optional, "Only runs of this release of the engine.")
          .integer("input", &R::input, optional, count, "Only this nominal prompt length.")
          .integer("output", &R::output, optional, count, "Only this nominal answer length.")
          .integer("input_multiple_of", &R::input_multiple_of, optional, count,
                   "Only nominal prompts of a multiple of this length.")
          .integer("concurrency_from", &R::concurrency_from, optional, count,
                   "Only from this concurrency on.")
          .integer("concurrency_below", &R::concurrency_below, optional, count,
                   "Only below this concurrency.")
          .integer("tensor_from", &R::tensor_from, optional, count,
                   "Only from this tensor-parallel size on.")
          .integer("tensor_below", &R::tensor_below, optional, count,
                   "Only below this tensor-parallel size.")
          .custom(day("measured_from", "Only runs of this day (2026-01-31) or later."),
                  [](const YamlNode& n, const std::string& p, R& r) {
                    r.measured_from = read_date(n, p);
                  })
          .custom(day("measured_before", "Only runs before this day."),
                  [](const YamlNode& n, const std::string& p, R& r) {
                    r.measured_before = read_date(n, p);
                  })
          .boolean("data_parallel_attention", &R::data_parallel_attention, optional,
                   "Only with data-parallel attention.")
          .boolean("drafts", &R::drafts, optional, "Only with multi-token prediction.")
          .integer("batched_tokens", &R::batched_tokens, optional, count, "Token budget of a step.")
          .integer("prompt_budget", &R::prompt_budget, optional, count,
                   "The token budget is the nominal prompt, a token of every user and this.")
          .integer("context_budget", &R::context_budget, optional, count,
                   "The token budget is the nominal prompt and answer and this.")
          .boolean("mixed_chunk", &R::mixed_chunk, optional,
                   "Sequences decode beside a prefill batch.")
          .integer("max_num_seqs", &R::max_num_seqs, optional, count,
                   "Sequences a data-parallel group may run at once.")
          .boolean("bench_sizes", &R::bench_sizes, optional,
                   "Token budget and sequences as trtllm-bench chooses them.")
          .integer("receive_interval", &R::receive_interval, optional, count,
                   "Decode steps between two looks for new requests.")
          .integer("wait_steps", &R::wait_steps, optional, count,
                   "Steps that prompts wait for others at most.")
          .number("wait_share", &R::wait_share, optional, fraction,
                  "Share of the token budget at which they no longer wait.")
          .integer("balance_steps", &R::balance_steps, optional, count,
                   "Steps that prompts wait until every rank has one at most.")
          .text("kv_cache", &R::kv_cache, optional, "Format of the cache: bf16 or fp8.")
          .number("memory_share", &R::memory_share, optional, Range{0.1, 1},
                  "Share of memory the engine may use.")
          .integer("draft_tokens", &R::draft_tokens, optional, count,
                   "Tokens drafted where multi-token prediction is on.")
          .boolean("expert_parallel", &R::expert_parallel, optional,
                   "Experts are split by rank, also where a row does not say so.")
          .boolean("attention_by_rank", &R::attention_by_rank, optional,
                   "Attention is data-parallel, also where a row does not say so.")
          .list("kernels", &R::kernels, kernel_schema(), optional,
                "Kernels instead of the engine's own.")
          .boolean("prompts_without_graphs", &R::prompts_without_graphs, optional,
                   "Every step with prompt tokens is launched kernel by kernel.")
          .boolean("piecewise_prompts", &R::piecewise_prompts, optional,
                   "Steps with prompt tokens run in graphs but for attention.")
          .boolean("without_graphs", &R::without_graphs, optional,
                   "No decode batch is captured or padded.")
          .boolean("unpadded_graphs", &R::unpadded_graphs, optional,
                   "Decode batches that are no graph's size are launched kernel by kernel.")
          .boolean("sorted_sampling", &R::sorted_sampling, optional,
                   "Tokens are drawn from sorted logits.")
          .boolean("reads_at_once", &R::reads_at_once, optional,
                   "A front end reads and tokenises many prompts at once.")
          .integer("requests_per_user", &R::requests_per_user, optional, count,
                   "Requests that the client sends for every user.")
          .integer("distinct_prompts", &R::distinct_prompts, optional, count,
                   "The client draws from so many prompts, which the engine caches.")
          .list("graphs", &R::graphs, graph_schema(), optional,
                "Captured decode batches instead of the engine's own, rising.")
          .check([](const RecipeRule& r, const std::string& path) {
            if (r.bench_sizes && r.engine != "trtllm") {
              throw InputError(place_of(r.places, "bench_sizes"),
                               path +
                                   ".bench_sizes goes with engine trtllm, whose benchmark "
                                   "chooses them.");
            }
          });
  return schema;
}

const Schema<AcceptanceRow>& acceptance_schema() {
  FieldInfo lengths;
  lengths.name = "lengths";
  lengths.type = FieldInfo::Type::list;
  lengths.element = FieldInfo::Type::number;
  lengths.required = true;
  lengths.doc = "Mean tokens of a step with 1, 2, 3, ... drafts.";
  static const auto schema =
      Schema<AcceptanceRow>("acceptance", "How many drafted tokens are accepted.")
          .text_list("models", &AcceptanceRow::models, "Entries of models/llm.")
          .custom(lengths, [](const YamlNode& n, const std::string& path, AcceptanceRow& row) {
            expect_kind(n, YamlNode::Kind::sequence, path);
            for (const auto& item : n.items) {
              const double most = static_cast<double>(row.lengths.size()) + 2;
              row.lengths.push_back(scalar::number(*item, path, Range{1, most}));
            }
          });
  return schema;
}

}  // namespace

const Schema<RecipeBook>& recipe_schema() {
  static const auto schema =
      Schema<RecipeBook>("recipes", "Engine options of a public benchmark.")
          .text("name", &RecipeBook::name, required, "Name; equals the file name.")
          .list("rules", &RecipeBook::rules, rule_schema(), required, "Later ones go first.")
          .list("acceptance", &RecipeBook::acceptance, acceptance_schema(), optional,
                "Published acceptance of drafts.")
          .list("sources", &RecipeBook::sources, source_schema(), required,
                "Where the options come from.")
          .text_list("notes", &RecipeBook::notes, "What else to know.");
  return schema;
}

double acceptance_of(const RecipeBook& book, const std::string& model, int drafts) {
  for (const AcceptanceRow& row : book.acceptance) {
    if (drafts > 0 && static_cast<std::size_t>(drafts) <= row.lengths.size() &&
        std::find(row.models.begin(), row.models.end(), model) != row.models.end()) {
      return row.lengths[static_cast<std::size_t>(drafts) - 1];
    }
  }
  return 0;
}

RecipeRule options_for(const RecipeBook& book, const RecipeQuestion& q) {
  const auto one_of = [](const std::vector<std::string>& names, const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  RecipeRule out;
  for (const RecipeRule& r : book.rules) {
    const bool applies =
        r.engine == q.engine && one_of(r.models, q.model) && one_of(r.devices, q.device) &&
        (r.precision.empty() || r.precision == q.precision) &&
        (r.version.empty() || r.version == q.version) && (r.input == 0 || r.input == q.input) &&
        (r.output == 0 || r.output == q.output) &&
        (r.input_multiple_of == 0 || std::fmod(q.input, r.input_multiple_of) == 0) &&
        q.concurrency >= r.concurrency_from &&
        (r.concurrency_below == 0 || q.concurrency < r.concurrency_below) &&
        q.tensor >= r.tensor_from && (r.tensor_below == 0 || q.tensor < r.tensor_below) &&
        (r.measured_from.empty() || q.measured >= r.measured_from) &&
        (r.measured_before.empty() || (!q.measured.empty() && q.measured < r.measured_before)) &&
        (!r.data_parallel_attention || q.data_attention > 1) && (!r.drafts || q.drafts);
    if (!applies) continue;
    const auto take = [&](auto RecipeRule::*option) {
      if (r.*option != std::remove_reference_t<decltype(r.*option)>{}) out.*option = r.*option;
    };
    take(&RecipeRule::kv_cache);
    take(&RecipeRule::memory_share);
    take(&RecipeRule::batched_tokens);
    take(&RecipeRule::prompt_budget);
    take(&RecipeRule::context_budget);
    take(&RecipeRule::mixed_chunk);
    take(&RecipeRule::max_num_seqs);
    take(&RecipeRule::bench_sizes);
    take(&RecipeRule::receive_interval);
    take(&RecipeRule::wait_steps);
    take(&RecipeRule::wait_share);
    take(&RecipeRule::balance_steps);
    take(&RecipeRule::draft_tokens);
    take(&RecipeRule::expert_parallel);
    take(&RecipeRule::attention_by_rank);
    take(&RecipeRule::prompts_without_graphs);
    take(&RecipeRule::piecewise_prompts);
    take(&RecipeRule::without_graphs);
    take(&RecipeRule::unpadded_graphs);
    take(&RecipeRule::sorted_sampling);
    take(&RecipeRule::reads_at_once);
    take(&RecipeRule::requests_per_user);
    take(&RecipeRule::distinct_prompts);
    if (!r.kernels.empty()) out.kernels = r.kernels;
    if (!r.graphs.empty()) out.graphs = r.graphs;
  }
  if (out.prompt_budget > 0) {
    const double fed = q.drafts
                           ? (1 + out.draft_tokens) * std::ceil(q.concurrency / q.data_attention)
                           : q.concurrency;
    out.batched_tokens = static_cast<int>(q.input + fed) + out.prompt_budget;
  } else if (out.context_budget > 0) {
    out.batched_tokens = static_cast<int>(q.input + q.output) + out.context_budget;
  }
  return out;
}

}  // namespace tollgate
