#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/base/text.h"
#include "sim/operators/curve.h"
#include "sim/pricing/tariff.h"
#include "sim/report/number_format.h"
#include "sim/report/text_table.h"
#include "sim/spec/architecture.h"
#include "sim/spec/library.h"
#include "sim/spec/price_lookup.h"
#include "tools/arguments.h"
#include "tools/output.h"

namespace tollgate {
namespace {

using Json = nlohmann::ordered_json;
using Align = TextTable::Align;

/// What a list prints: the same entries as a table and as JSON.
struct Listing {
  TextTable table;
  TextTable second;  ///< printed below the first, if it has rows
  Json json = Json::array();
};

Listing list_models(Library& library) {
  Listing list;
  for (const char* heading : {"model", "by"}) list.table.column(heading, Align::left);
  for (const char* heading : {"parameters", "active", "cache/token", "context"})
    list.table.column(heading, Align::right);
  for (const char* heading : {"weights", "released"}) list.table.column(heading, Align::left);
  for (const std::string& name : library.names(Library::Shelf::llm)) {
    const LlmSpec model = library.model(name, {});
    if (model.closed) {
      list.table.note({model.name, model.organisation}, "closed: prices only");
      list.json.push_back(
          {{"name", model.name}, {"organisation", model.organisation}, {"closed", true}});
      continue;
    }
    const ParameterCount count = count_parameters(model);
    const bool moe = count.experts > 0;
    const Precision precision = moe ? model.precision.experts : model.precision.dense_ffn;
    const double cache = kv_bytes_per_token(model, model.precision);
    list.table.row({model.name, model.organisation, parameters_text(count.total()),
                    moe ? parameters_text(count.active(true)) : "dense", bytes_text(cache),
                    grouped(static_cast<double>(model.context), 0),
                    std::string(info(precision).name), model.released});
    list.json.push_back({{"name", model.name},
                         {"organisation", model.organisation},
                         {"closed", false},
                         {"total_parameters", count.total()},
                         {"active_parameters", count.active(true)},
                         {"kv_bytes_per_token", cache},
                         {"context_tokens", model.context},
                         {"weights", info(precision).name},
                         {"weight_bytes", weight_bytes(model, model.precision).total()},
                         {"released", model.released}});
  }
  return list;
}

/// The price shown beside a device: the three-year rent, else the first level there is; the latest.
const GpuPrice* price_of(const std::vector<PriceBook>& books, const std::string& hardware) {
  const GpuPrice* best = nullptr;
  const auto rank = [](const GpuPrice& p) { return std::make_pair(p.level == "rent-3yr", p.date); };
  for (const PriceBook& book : books) {
    for (const GpuPrice& price : book.gpus) {
      if (price.hardware == hardware && (!best || rank(price) > rank(*best))) best = &price;
    }
  }
  return best;
}

std::string peak_text(double flops) { return flops > 0 ? count_text(flops / 1e12) : "-"; }

Listing list_hardware(Library& library) {
  Listing list;
  list.table.column("hardware", Align::left);
  list.table.column("memory", Align::right);
  list.table.column("bandwidth", Align::right);
  for (const char* format : {"bf16", "fp8", "fp4"})
    list.table.column(format, Align::right, "dense TFLOP/s");
  list.table.column("power", Align::right);
  list.table.column("GPUs", Align::right, "fast link");
  list.table.column("each way", Align::right, "fast link");
  list.table.column("USD/h", Align::right, "price");
  list.table.column("kind", Align::left, "price");
  list.table.column("date", Align::left, "price");
  const std::vector<PriceBook> books = library.prices();
  for (const std::string& name : library.names(Library::Shelf::hardware)) {
    const HardwareSpec h = library.hardware(name, {});
    const GpuPrice* price = price_of(books, h.name);
    list.table.row({h.name, bytes_text(h.memory),
                    format_quantity(h.memory_bandwidth, Dimension::bytes_per_second),
                    peak_text(h.peak.bf16), peak_text(h.peak.fp8), peak_text(h.peak.fp4),
                    h.tdp > 0 ? grouped(h.tdp, 0) + " W" : "-", std::to_string(h.per_domain),
                    format_quantity(h.scale_up.bandwidth, Dimension::bytes_per_second),
                    price ? money_text(price->usd_per_hour) : "-", price ? price->level : "",
                    price ? price->date : ""});
    Json entry{
        {"name", h.name},
        {"vendor", h.vendor},
        {"memory_bytes", h.memory},
        {"memory_bandwidth_bytes_per_second", h.memory_bandwidth},
        {"peak_flops_per_second",
         {{"bf16", h.peak.bf16}, {"fp8", h.peak.fp8}, {"int8", h.peak.int8}, {"fp4", h.peak.fp4}}},
        {"tdp_watts", h.tdp > 0 ? Json(h.tdp) : Json(nullptr)},
        {"per_node", h.per_node},
        {"per_domain", h.per_domain},
        {"scale_up_bytes_per_second", h.scale_up.bandwidth},
        {"scale_out_bytes_per_second", h.scale_out.bandwidth},
        {"price", nullptr}};
    if (price) {
      entry["price"] = {{"usd_per_hour", price->usd_per_hour},
                        {"level", price->level},
                        {"date", price->date},
                        {"from", price->from}};
    }
    list.json.push_back(entry);
  }
  return list;
}

std::string optional_money(double usd) { return usd < 0 ? "-" : money_text(usd); }
Json optional_number(double usd) { return usd < 0 ? Json(nullptr) : Json(usd); }

Listing list_prices(Library& library) {
  Listing list;
  for (const char* heading : {"hardware", "kind", "date"}) list.table.column(heading, Align::left);
  list.table.column("USD/h", Align::right);
  list.table.column("from", Align::left);
  for (const char* heading : {"model", "seller", "date"}) list.second.column(heading, Align::left);
  for (const char* kind : {"input", "cached", "output"})
    list.second.column(kind, Align::right, "USD per M tokens");
  list.second.column("book", Align::left);
  const std::vector<PriceBook> books = library.prices();
  for (const PriceBook& book : books) {
    for (const GpuPrice& p : book.gpus) {
      list.table.row({p.hardware, p.level, p.date, money_text(p.usd_per_hour), p.from});
      list.json.push_back({{"book", book.name},
                           {"hardware", p.hardware},
                           {"level", p.level},
                           {"date", p.date},
                           {"usd_per_hour", p.usd_per_hour},
                           {"from", p.from}});
    }
    for (const Tariff& t : book.tokens) {
      const TokenPrice p = in_usd(t, find_rate(books, t.currency, t.date, {}).per_usd);
      list.second.row({p.model, p.seller, p.date, money_text(p.input),
                       optional_money(p.cached_input), money_text(p.output), book.name});
      list.json.push_back({{"book", book.name},
                           {"model", p.model},
                           {"seller", p.seller},
                           {"date", p.date},
                           {"usd_per_million_input_tokens", p.input},
                           {"usd_per_million_cached_input_tokens", optional_number(p.cached_input)},
                           {"usd_per_million_output_tokens", p.output},
                           {"from", p.from}});
    }
  }
  return list;
}

Listing list_traffic(Library& library) {
  Listing list;
  list.table.column("traffic", Align::left);
  list.table.column("input", Align::right, "mean tokens");
  list.table.column("output", Align::right, "mean tokens");
  list.table.column("prefix hits", Align::right);
  for (const std::string& name : library.names(Library::Shelf::traffic)) {
    const RequestClass t = library.traffic(name, {});
    const std::string from = t.sources.empty() ? "assumed" : t.sources[0].from;
    list.table.row({t.name, count_text(t.input.average()), count_text(t.output.average()),
                    percent_text(t.prefix_hit_rate)});
    list.json.push_back({{"name", t.name},
                         {"mean_input_tokens", t.input.average()},
                         {"mean_output_tokens", t.output.average()},
                         {"prefix_hit_rate", t.prefix_hit_rate},
                         {"from", from}});
  }
  return list;
}

Listing list_engines(Library& library) {
  Listing list;
  for (const char* heading : {"engine", "version"}) list.table.column(heading, Align::left);
  for (const char* part : {"step", "sequence", "request"})
    list.table.column(part, Align::right, "host time per");
  list.table.column("budget", Align::right, "defaults from 70 GiB");
  list.table.column("sequences", Align::right, "defaults from 70 GiB");
  for (const std::string& name : library.names(Library::Shelf::engines)) {
    const EngineSpec e = library.engine(name, {});
    const EngineLimits& usual = e.limits_for(70.0 * (1 << 30));
    list.table.row({e.name, e.version, seconds_text(e.host_per_step),
                    seconds_text(e.host_per_sequence), seconds_text(e.host_per_request),
                    grouped(usual.batched_tokens, 0), grouped(usual.max_num_seqs, 0)});
    list.json.push_back({{"name", e.name},
                         {"version", e.version},
                         {"host_per_step_seconds", e.host_per_step},
                         {"host_per_sequence_seconds", e.host_per_sequence},
                         {"host_per_request_seconds", e.host_per_request},
                         {"host_per_prompt_token_seconds", e.host_per_prompt_token},
                         {"batched_tokens", usual.batched_tokens},
                         {"max_num_seqs", usual.max_num_seqs},
                         {"memory_utilisation", e.memory_utilisation}});
  }
  return list;
}

Listing list_operators() {
  Listing list;
  list.table.column("operator", Align::left);
  list.table.column("columns", Align::left, "of a table of measurements");
  list.table.column("parameters", Align::left, "of the curve");
  for (const OperatorCurve* curve : operator_curves()) {
    std::vector<std::string> columns, names;
    Json parameters = Json::array();
    for (const std::string_view c : curve->columns()) columns.emplace_back(c);
    for (const CurveParameter& p : curve->parameters()) {
      names.emplace_back(p.name);
      parameters.push_back(
          {{"name", p.name}, {"unit", p.unit}, {"low", p.low}, {"high", p.high}, {"what", p.what}});
    }
    list.table.row({std::string(curve->op()), join(columns), join(names)});
    list.json.push_back(
        {{"name", curve->op()}, {"columns", columns}, {"parameters", std::move(parameters)}});
  }
  return list;
}

int run(const Arguments& arguments, Console& console) {
  Library library(Library::find_root());
  const std::string kind = arguments.text("KIND");
  const Listing list = kind == "models"     ? list_models(library)
                       : kind == "hardware" ? list_hardware(library)
                       : kind == "engines"  ? list_engines(library)
                       : kind == "prices"   ? list_prices(library)
                       : kind == "traffic"  ? list_traffic(library)
                                            : list_operators();
  std::string out;
  if (arguments.text("--format") == "json") {
    out = Json{{kind, list.json}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  } else {
    for (const TextTable* table : {&list.table, &list.second}) {
      if (table != &list.table && table->body().empty()) continue;
      if (table != &list.table) out += '\n';
      for (const auto& lines : {table->head(), table->body()}) {
        for (const std::string& line : lines) out.append(printable(line)).append("\n");
      }
    }
  }
  deliver(out, arguments.text("--output"), console);
  return exit_code::ok;
}

}  // namespace

Command list_command() {
  CommandHelp help;
  help.name = "list";
  help.summary = "List the models, accelerators, engines, prices, traffic or operators it knows.";
  help.details = {
      "The entries are the files of models/; `show` prints one with its sources. Dates stand "
      "beside prices. Operators are those of `calibrate`, with the columns of their tables."};
  help.positionals = {{"KIND",
                       "What to list.",
                       true,
                       {"models", "hardware", "engines", "prices", "traffic", "operators"}}};
  help.options = {format_option({"text", "json"}), output_option()};
  help.examples = {
      {"tollgate list models", "Architectures with parameters, cache per token and context."},
      {"tollgate list hardware --format json", "Accelerators, in SI units."}};
  return {help, run};
}

}  // namespace tollgate
