#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include "sim/base/file.h"
#include "sim/base/text.h"
#include "sim/operators/calibration.h"
#include "sim/report/number_format.h"
#include "sim/report/text_table.h"
#include "sim/report/version.h"
#include "sim/spec/library.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/output.h"

namespace tollgate {
namespace {

using Json = nlohmann::ordered_json;

/// Share of all held-out shapes that fall inside their bands.
double pooled_coverage(const std::vector<FittedCurve>& curves) {
  double inside = 0, all = 0;
  for (const FittedCurve& c : curves) {
    inside += c.coverage * c.held_out;
    all += c.held_out;
  }
  return all > 0 ? inside / all : 0;
}

std::string text_of(const std::string& heading, const OperatorTables& tables,
                    const Calibration& result) {
  using Align = TextTable::Align;
  std::string out = heading + "\n\n";
  TextTable table;
  for (const char* name : {"operator", "backend", "precision", "kernel", "version"}) {
    table.column(name, Align::left);
  }
  for (const char* name : {"rows", "held out", "median %", "p90 %", "P10", "P90", "inside %"}) {
    table.column(name, Align::right);
  }
  for (const FittedCurve& c : result.curves) {
    table.row({c.op, c.backend, c.precision, c.kernel + (c.preferred ? " *" : ""), c.version,
               grouped(c.rows, 0), grouped(c.held_out, 0), fixed(100 * c.median_ape, 1),
               fixed(100 * c.p90_ape, 1), fixed(c.low, 2), fixed(c.high, 2),
               c.coverage > 0 ? fixed(100 * c.coverage, 0) : ""});
  }
  for (const auto& lines : {table.head(), table.body()}) {
    for (const std::string& line : lines) out.append(line).append("\n");
  }
  out +=
      "\nErrors are |predicted / measured - 1| on held-out shapes, P10 and P90 those of measured "
      "/ predicted;\n* is the kernel taken where none is named. Of all held-out shapes " +
      fixed(100 * pooled_coverage(result.curves), 1) + " % are inside the band.\n";
  for (const LeftOut& l : result.left_out) {
    out += "left out: " + l.key.op + ", " + l.key.backend + " " + l.version + ", " +
           l.key.precision + (l.key.kernel.empty() ? "" : ", " + l.key.kernel) + ", " +
           grouped(static_cast<double>(l.rows), 0) + " rows: " + l.reason + "\n";
  }
  for (const TableGroup& g : tables.groups) {
    if (g.disagreeing == 0) continue;
    out += "noted: " + grouped(static_cast<double>(g.disagreeing), 0) + " shapes of " + g.key.op +
           ", " + g.key.backend + " " + g.version + ", " + g.key.precision + " " + g.key.kernel +
           " were measured again with a difference of more than a quarter; their mean is taken\n";
  }
  for (const std::string& file : tables.without_rows) {
    out += "noted: " + file + " has no row of this device\n";
  }
  return out;
}

std::string json_of(const std::string& hardware, const std::string& from,
                    const CalibrationOptions& options, const OperatorTables& tables,
                    const Calibration& result) {
  Json json{{"format_version", run_format_version},
            {"tool_version", tool_version},
            {"hardware", hardware},
            {"holdout", options.holdout},
            {"split", options.split},
            {"rows", tables.rows},
            {"coverage", pooled_coverage(result.curves)},
            {"operators", Json::array()},
            {"curves", Json::array()},
            {"left_out", Json::array()}};
  if (!from.empty()) json["from"] = from;
  for (const OperatorError& e : result.operators) {
    json["operators"].push_back({{"operator", e.op},
                                 {"curves", e.curves},
                                 {"held_out", e.held_out},
                                 {"median_ape", e.median_ape},
                                 {"p90_ape", e.p90_ape},
                                 {"coverage", e.coverage}});
  }
  for (const FittedCurve& c : result.curves) {
    Json parameters = Json::object(), range = Json::object();
    for (std::size_t i = 0; i < c.parameters.size(); ++i) {
      parameters[std::string(c.curve().parameters()[i].name)] = c.parameters[i];
    }
    for (std::size_t i = 0; i < c.lowest.size(); ++i) {
      range[std::string(c.curve().columns()[i])] = {c.lowest[i], c.highest[i]};
    }
    json["curves"].push_back({{"operator", c.op},
                              {"backend", c.backend},
                              {"version", c.version},
                              {"precision", c.precision},
                              {"kernel", c.kernel},
                              {"preferred", c.preferred},
                              {"rows", c.rows},
                              {"fitted", c.fitted},
                              {"held_out", c.held_out},
                              {"median_ape", c.median_ape},
                              {"p90_ape", c.p90_ape},
                              {"coverage", c.coverage},
                              {"low", c.low},
                              {"high", c.high},
                              {"parameters", parameters},
                              {"range", range}});
  }
  for (const LeftOut& l : result.left_out) {
    json["left_out"].push_back({{"operator", l.key.op},
                                {"backend", l.key.backend},
                                {"version", l.version},
                                {"precision", l.key.precision},
                                {"kernel", l.key.kernel},
                                {"rows", l.rows},
                                {"reason", l.reason}});
  }
  return json.dump(2) + "\n";
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 16> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d", &utc);
  return text.data();
}

/// The stand-in of --from: a rule, or a device.
StandIn stand_in(CurveSet& curves, Library& library, const std::string& from) {
  for (const TransferRule rule :
       {TransferRule::backend, TransferRule::precision, TransferRule::device}) {
    if (from == to_string(rule)) {
      return [&curves, rule](const OperatorKey& key) { return curves.by_rule(key, rule); };
    }
  }
  if (!library.operator_curves(from)) {
    throw InputError("tollgate calibrate: --from " + quote(from) +
                     " is neither backend, precision nor device, and models/hardware/operators "
                     "has no curves of that name.");
  }
  return [&curves, from](const OperatorKey& key) { return curves.from_device(key, from); };
}

int run(const Arguments& arguments, Console& console) {
  const std::vector<std::string> files = arguments.texts("TABLE");
  if (!arguments.has("--hardware")) {
    throw InputError("tollgate calibrate: give --hardware NAME, the device that was measured.");
  }
  Library library(Library::find_root());
  const std::string name = arguments.text("--hardware");
  const HardwareSpec hardware = library.hardware(name, {"tollgate calibrate --hardware", 0, 0});
  CalibrationOptions options;
  options.holdout = arguments.number("--holdout", 0, 0.9);
  options.split = static_cast<int>(arguments.integer("--split", 0, 1'000'000));
  options.source = arguments.has("--source") ? arguments.text("--source") : join(files);
  options.date = arguments.has("--date") ? arguments.text("--date") : today();
  std::vector<std::string> known = library.names(Library::Shelf::hardware);
  known.push_back(hardware.name);  // It may come from a file.
  const OperatorTables tables = read_operator_tables(files, hardware.name, known, calibration_cap);

  const std::string from = arguments.text("--from");
  if (!from.empty() && arguments.has("--output")) {
    throw InputError("tollgate calibrate: --from only compares; it goes without --output.");
  }
  CurveSet curves(library, hardware);
  const Calibration result =
      from.empty() ? calibrate(hardware, tables, options)
                   : check_transfer(hardware, tables, options, stand_in(curves, library, from));
  if (arguments.has("--output")) {
    DeviceCurves out;
    out.name = hardware.name;
    out.curves = result.curves;
    write_file_atomically(arguments.text("--output"), to_text(out));
  }
  const std::string heading =
      grouped(static_cast<double>(tables.rows), 0) + " rows of " + hardware.name +
      (from.empty() ? "; " + fixed(100 * options.holdout, 0) + " % of the shapes held out"
                    : ", held-out shapes predicted with other curves: " + from);
  const bool json = arguments.text("--format") == "json";
  deliver(json ? json_of(hardware.name, from, options, tables, result)
               : text_of(heading, tables, result),
          "", console);
  return exit_code::ok;
}

}  // namespace

Command calibrate_command() {
  CommandHelp help;
  help.name = "calibrate";
  help.summary = "Fit operator curves to measured operator times of a device.";
  help.details = {
      "A table is a CSV file, plain or .gz, with one measurement per line. The columns are op, "
      "backend, version, precision, kernel, those of the operator (`tollgate list operators`), "
      "and latency_us (or latency_ns, latency_ms, latency_s); columns of other operators stay "
      "empty, and a column `system` picks the rows of one device. The tables of aiconfigurator are "
      "read as they are. tools/microbench measures the user's own GPU.",
      "Shapes are held out by a hash of the shape alone, so the split is the same for everybody. "
      "The loss is robust (Cauchy) in the logarithm of the time."};
  help.positionals = {{"TABLE", "Files with measurements.", true, {}, true}};
  help.options = {
      {"--hardware", "", "NAME", "Device of models/hardware that was measured, or a file."},
      {"--holdout", "", "FRACTION", "Share of the shapes kept out of the fit.", "0.2"},
      {"--split", "", "NUMBER",
       "Which shapes are kept out: 0 those of the published errors, others picked by another hash. "
       "Bands and errors of tables with few shapes differ from split to split.",
       "0"},
      {"--from", "", "RULE",
       "Fit nothing: predict the held-out shapes with stored curves that stand in where a "
       "measurement is missing, and show the errors. backend and precision: of another one on this "
       "device; device: of the nearest device; NAME: of that device."},
      {"--source", "", "TEXT", "Where the measurements come from, kept with the curves."},
      {"--date", "", "DATE", "ISO date kept with the curves."},
      {"--output", "-o", "FILE",
       "Write the curves there as YAML; models/hardware/operators/NAME.yaml is read by all "
       "commands."},
      format_option({"text", "json"}),
  };
  help.options[4].default_note = "the names of the files";
  help.options[5].default_note = "today";
  help.examples = {
      {"tollgate calibrate ops.csv --hardware H100-SXM -o models/hardware/operators/H100-SXM.yaml",
       "Curves of one's own GPU."},
      {"tollgate calibrate comm_nccl.csv.gz --hardware H200-SXM --from H100-SXM",
       "How well another device predicts this one."}};
  return {help, run};
}

}  // namespace tollgate
