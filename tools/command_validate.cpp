#include <nlohmann/json.hpp>

#include "sim/base/file.h"
#include "sim/base/text.h"
#include "sim/report/number_format.h"
#include "sim/report/text_table.h"
#include "sim/report/validation_html.h"
#include "sim/report/version.h"
#include "sim/study/validation.h"
#include "tools/arguments.h"
#include "tools/engine.h"
#include "tools/output.h"

namespace tollgate {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t table_limit = 256u << 20;

std::string percent(double fraction) { return fixed(100 * fraction, 1); }

void add_row(TextTable& table, const ValidationGroup& g) {
  std::vector<std::string> cells = g.key.empty() ? std::vector<std::string>{"all"} : g.key;
  for (std::string& cell : cells) {
    if (cell.empty()) cell = "-";
  }
  cells.push_back(std::to_string(g.rows));
  cells.push_back(std::to_string(g.predicted));
  for (const ErrorSummary* e : {&g.tpot, &g.ttft, &g.throughput}) {
    if (e->rows == 0) {
      cells.insert(cells.end(), 5, "-");
      continue;
    }
    for (const double v : {e->mape, e->median_ape, e->p90_ape, e->bias, e->coverage})
      cells.push_back(percent(v));
  }
  table.row(std::move(cells));
}

void add_columns(TextTable& table, const std::vector<std::string>& keys) {
  using Align = TextTable::Align;
  for (const std::string& key : keys) table.column(key, Align::left);
  table.column("rows", Align::right);
  table.column("predicted", Align::right);
  for (const char* what : {"TPOT error, %", "TTFT error, %", "tokens/s/GPU error, %"}) {
    for (const char* heading : {"mean", "median", "P90", "bias", "in band"})
      table.column(heading, Align::right, what);
  }
}

std::string text_of(const Validation& v) {
  std::string out;
  const auto print = [&](const TextTable& table) {
    for (const auto& lines : {table.head(), table.body()}) {
      for (const std::string& line : lines) out.append(printable(line)).append("\n");
    }
  };
  TextTable total;
  add_columns(total, {""});
  add_row(total, v.all);
  print(total);
  if (!v.groups.empty()) {
    TextTable table;
    add_columns(table, v.by);
    for (const ValidationGroup& g : v.groups) add_row(table, g);
    out += '\n';
    print(table);
  }
  const std::vector<std::string> reasons = why_not_predicted(v);
  if (!reasons.empty()) out += "\nNot predicted:\n";
  for (const std::string& why : reasons) out += "  " + printable(why) + "\n";
  return out;
}

Json json_of(const ErrorSummary& e) {
  return {{"rows", e.rows},       {"mape", e.mape}, {"median_ape", e.median_ape},
          {"p90_ape", e.p90_ape}, {"bias", e.bias}, {"coverage_p10_p90", e.coverage}};
}

void add_figures(Json& json, const ValidationGroup& g) {
  json["rows"] = g.rows;
  json["predicted"] = g.predicted;
  json["ttft"] = json_of(g.ttft);
  json["tpot"] = json_of(g.tpot);
  json["throughput"] = json_of(g.throughput);
}

std::string json_of(const Validation& v) {
  Json json{{"format_version", validation_format_version}, {"tool_version", tool_version}};
  add_figures(json, v.all);
  for (const char* list : {"groups", "not_predicted"}) json[list] = Json::array();
  for (const ValidationGroup& g : v.groups) {
    Json entry;
    for (std::size_t i = 0; i < v.by.size(); ++i) entry[v.by[i]] = g.key[i];
    add_figures(entry, g);
    json["groups"].push_back(std::move(entry));
  }
  for (const RowPrediction& p : v.rows) {
    if (!p.predicted) json["not_predicted"].push_back({{"id", p.row.id}, {"why", p.note}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// The tables as Markdown, for documents.
std::string markdown_of(const Validation& v) {
  std::string out = "|";
  const std::vector<std::string> keys = v.by.empty() ? std::vector<std::string>{""} : v.by;
  for (const std::string& key : keys) out += " " + key + " |";
  out +=
      " rows | TPOT mean / median | bias | in band | TTFT mean / median | bias | in band |"
      " tokens/s/GPU mean / median |\n|";
  for (std::size_t i = 0; i < keys.size() + 8; ++i) out += "---|";
  out += '\n';
  const auto row = [&](const ValidationGroup& g) {
    out += '|';
    for (std::size_t i = 0; i < keys.size(); ++i)
      out += " " + (i < g.key.size() ? g.key[i] : i == 0 ? "all" : "") + " |";
    out += " " + std::to_string(g.rows) + " |";
    for (const ErrorSummary* e : {&g.tpot, &g.ttft}) {
      if (e->rows == 0) {
        out += " - | - | - |";
        continue;
      }
      out += " " + percent(e->mape) + " / " + percent(e->median_ape) + " | " + percent(e->bias) +
             " | " + fixed(100 * e->coverage, 0) + " |";
    }
    const ErrorSummary& rate = g.throughput;
    out += rate.rows == 0 ? " - |\n"
                          : " " + percent(rate.mape) + " / " + percent(rate.median_ape) + " |\n";
  };
  for (const ValidationGroup& g : v.groups) row(g);
  row(v.all);
  return out;
}

std::string predictions_of(const Validation& v) {
  std::string out =
      "id,predicted_ttft_ms,predicted_tpot_ms,ttft_low_ms,ttft_high_ms,tpot_low_ms,tpot_high_ms,"
      "provenance,note\n";
  for (const RowPrediction& p : v.rows) {
    out += csv_field(p.row.id);
    for (const double seconds :
         {p.ttft.value, p.tpot.value, p.ttft.low, p.ttft.high, p.tpot.low, p.tpot.high}) {
      out += ',';
      if (p.predicted) out += significant(seconds * 1e3, 6);
    }
    out += ',';
    if (p.predicted) out += to_string(p.tpot.provenance);
    out += ',' + csv_field(p.note) + '\n';
  }
  return out;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == separator) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

int run(const Arguments& arguments, Console& console) {
  const std::string path = arguments.text("MEASURED");
  RowFilter where;
  for (const std::string& text : arguments.texts("--where")) {
    const auto at = text.find('=');
    if (at == std::string::npos || at == 0) {
      throw InputError("tollgate validate: --where needs COLUMN=TEXT, but is " + quote(text) + ".");
    }
    where.emplace_back(text.substr(0, at), split(text.substr(at + 1), '|'));
  }
  std::vector<std::string> by;
  if (arguments.has("--by")) by = split(arguments.text("--by"), ',');
  const CsvTable table = CsvTable::parse(read_text_file(path, table_limit), path);
  return with_backend(arguments, "auto", console, [&](const kernels::RoutingBackend& backend) {
    Library library(Library::find_root());
    const Validation v = validate(table, where, by, library, backend);
    if (v.rows.empty())
      throw InputError(table.header_place(), "no row of the table meets the conditions.");
    if (arguments.has("--predictions"))
      write_file_atomically(arguments.text("--predictions"), predictions_of(v));
    const std::string format = arguments.text("--format");
    if (arguments.has("--plot"))
      write_file_atomically(arguments.text("--plot"), calibration_svg(v.rows));
    deliver(format == "json"       ? json_of(v)
            : format == "html"     ? validation_html(v, "Predicted against " + path)
            : format == "markdown" ? markdown_of(v)
                                   : text_of(v),
            arguments.text("--output"), console);
    return exit_code::ok;
  });
}

}  // namespace

Command validate_command() {
  CommandHelp help;
  help.name = "validate";
  help.summary = "Predict measured deployments and print how far off the predictions are.";
  help.details = {
      "MEASURED is CSV with one deployment per line: model, system (or hardware), backend, isl, "
      "osl and concurrency; where known backend_version, tp, attn_dp, moe_ep, precision (or "
      "gemm_quant and moe_quant), len_factor, mode (agg or disagg, the latter with "
      "prefill_workers, prefill_gpus, decode_workers and decode_gpus), measured (the day, "
      "2026-01-31), requests (in all, else ten for each in flight or what the recipe of its "
      "source_class says), and what was measured: "
      "mean_ttft_ms, mean_tpot_ms, output_tok_s_gpu. Other columns can be used by --where and "
      "--by.",
      "Errors are |predicted / measured - 1|; bias is the median of predicted / measured - 1; in "
      "band is the share of measurements inside P10-P90. A row that cannot be predicted is "
      "reported and the rest goes on; so is one whose measurement needs more arithmetic than its "
      "devices have, because it is not of the deployment that it names."};
  help.positionals = {{"MEASURED", "The table, CSV.", true}};
  help.options = {
      {"--where", "", "COLUMN=TEXT",
       "Only rows with this field, or one of several: A|B; may be given several times."},
      {"--by", "", "COLUMNS", "Also by these columns, such as model,system,backend."},
      {"--predictions", "", "FILE", "Write a prediction for every row as CSV."},
      {"--plot", "", "FILE", "Write predicted against measured as SVG."},
      backend_option(),
      threads_option(),
      format_option({"text", "json", "html", "markdown"}),
      output_option()};
  help.options[0].repeatable = true;
  help.examples = {{"tollgate validate measured.csv --where mode=agg --by model,system",
                    "Errors by model and device."}};
  return {help, run};
}

}  // namespace tollgate
