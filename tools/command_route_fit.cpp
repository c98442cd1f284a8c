#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/core/gate_spec.h"
#include "kernels/fit/generator_fit.h"
#include "kernels/trace/record.h"
#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/report/number_format.h"
#include "sim/report/text_table.h"
#include "sim/report/version.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/output.h"

namespace tollgate {

namespace {

using Json = nlohmann::ordered_json;
using kernels::FitResult;
using kernels::FitRow;

std::string text_of(const kernels::RoutingRecord& record, const FitResult& fit,
                    const std::vector<FitRow>& rows) {
  using Align = TextTable::Align;
  std::string out =
      record.description + "\nFitted on every second sequence, compared with the others.\n\n";
  out += "sigma_global " + fixed(fit.spec.sigma_global, 3) + ", sigma_domain " +
         fixed(fit.spec.sigma_domain, 3) + ", sigma_topic " + fixed(fit.spec.sigma_topic, 3) +
         ", stickiness " + fixed(fit.spec.stickiness, 3) + ", layer_jitter " +
         fixed(fit.spec.layer_jitter, 3) + "\n\n";
  TextTable table;
  table.column("quantity", Align::left);
  for (const char* heading : {"trace", "generated", "error %", "limit %"}) {
    table.column(heading, Align::right);
  }
  for (const FitRow& row : rows) {
    table.row({row.quantity, fixed(row.trace, 3), fixed(row.generated, 3),
               fixed(100 * row.relative_error, 1), row.limit > 0 ? fixed(100 * row.limit, 0) : ""});
  }
  for (const auto& lines : {table.head(), table.body()}) {
    for (const std::string& line : lines) out.append(line).append("\n");
  }
  const auto missed = std::count_if(rows.begin(), rows.end(), [](const FitRow& row) {
    return row.limit > 0 && std::fabs(row.relative_error) > row.limit;
  });
  const auto limited =
      std::count_if(rows.begin(), rows.end(), [](const FitRow& row) { return row.limit > 0; });
  out += missed == 0 ? "\nAll errors are within their limits.\n"
                     : "\n" + std::to_string(missed) + " of " + std::to_string(limited) +
                           " errors are beyond their limits: this form does not hold for the "
                           "trace.\n";
  return out;
}

std::string json_of(const kernels::RoutingRecord& record, const FitResult& fit,
                    const std::vector<FitRow>& rows) {
  const kernels::RoutingTrace& trace = *record.trace;
  Json json{{"format_version", run_format_version},
            {"tool_version", tool_version},
            {"record", record.description},
            {"experts", trace.experts},
            {"top_k", trace.top_k},
            {"layers", trace.layers},
            {"tokens_per_layer", trace.tokens()},
            {"sigma_global", fit.spec.sigma_global},
            {"sigma_domain", fit.spec.sigma_domain},
            {"sigma_topic", fit.spec.sigma_topic},
            {"stickiness", fit.spec.stickiness},
            {"layer_jitter", fit.spec.layer_jitter},
            {"topics_per_domain", fit.spec.topics},
            {"comparison", Json::array()}};
  for (const FitRow& row : rows) {
    Json entry{{"quantity", row.quantity},
               {"trace", row.trace},
               {"generated", row.generated},
               {"relative_error", row.relative_error}};
    if (row.limit > 0) entry["limit"] = row.limit;
    json["comparison"].push_back(std::move(entry));
  }
  return json.dump(2) + "\n";
}

/// One half of every domain's sequences is fitted, the other compared.
void require_two_halves(const kernels::RoutingTrace& trace, const std::string& path) {
  std::vector<int> sequences(trace.domains.size());
  for (const kernels::TraceSequence& sequence : trace.sequences) {
    ++sequences[static_cast<std::size_t>(sequence.domain)];
  }
  for (std::size_t d = 0; d < sequences.size(); ++d) {
    if (sequences[d] >= 2) continue;
    throw std::invalid_argument(path + ": domain " + trace.domains[d] +
                                " has one sequence only; every second one is fitted and the "
                                "others are compared, so it takes two or more.");
  }
}

int run(const Arguments& arguments, Console& console) {
  try {
    const int experts = static_cast<int>(arguments.integer("--experts", 1, kernels::kMaxExperts));
    const int top_k = static_cast<int>(arguments.integer("--top-k", 1, kernels::kMaxTopK));
    const std::string path = arguments.text("TRACE");
    const kernels::RoutingRecord record = kernels::read_record(path, experts, top_k);
    const kernels::RoutingTrace& trace =
        kernels::require_trace(record, path, "be fitted token by token");
    require_two_halves(trace, path);
    kernels::FitOptions options;
    options.topics = static_cast<int>(arguments.integer("--topics", 1, 512));
    options.seed =
        static_cast<std::uint64_t>(arguments.integer("--seed", 0, 9'000'000'000'000'000));
    const FitResult fit = kernels::fit_generator(kernels::half_of(trace, 0), options);
    const std::vector<FitRow> rows =
        kernels::compare_with_trace(kernels::half_of(trace, 1), fit.spec, 8, options.seed + 1000);
    const bool json = arguments.text("--format") == "json";
    deliver(json ? json_of(record, fit, rows) : text_of(record, fit, rows),
            arguments.text("--output"), console);
    return exit_code::ok;
  } catch (const std::invalid_argument& error) {
    throw InputError(std::string("tollgate route fit: ") + error.what());
  }
}

}  // namespace

Command route_fit_command() {
  CommandHelp help;
  help.name = "route fit";
  help.summary = "Fit the routing generator to the expert choices of a real router.";
  help.details = {
      "TRACE is a folder of files <domain>_layer<number>.txt or .txt.gz, or one of them: a line is "
      "one sequence, its expert ids separated by tabs, top-k per token in order of position. Or a "
      "file of SGLang's expert distribution recorder in mode per_token (.pt), or routed experts of "
      "vLLM or SGLang requests (.npy, .npz, .pt, API responses as JSON or JSON lines).",
      "Half of every domain's sequences is fitted, and the other half compared with what the "
      "fitted "
      "generator draws."};
  help.positionals = {{"TRACE", "Folder or file of the trace."}};
  help.options = {
      {"--experts", "", "N", "Routed experts per layer.", "64"},
      {"--top-k", "", "K", "Experts per token.", "6"},
      {"--topics", "", "N", "Topics per domain of the generator.", "8"},
      {"--seed", "", "N", "Seed of every random number.", "1"},
      format_option({"text", "json"}),
      output_option(),
  };
  help.examples = {{"tollgate route fit traces --experts 64 --top-k 6",
                    "Five parameters from a trace, and how well they describe its other half."}};
  return {help, run};
}

}  // namespace tollgate
