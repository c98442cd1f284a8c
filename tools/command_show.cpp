#include <algorithm>

#include "sim/base/text.h"
#include "sim/report/number_format.h"
#include "sim/spec/architecture.h"
#include "sim/spec/library.h"
#include "sim/spec/workload_schema.h"
#include "tools/arguments.h"
#include "tools/output.h"

namespace tollgate {
namespace {

template <class T>
std::string yaml_of(const Schema<T>& schema, const T& value) {
  return "schema_version: 1\n" + to_yaml(*schema.write(value));
}

/// A YAML comment line of a derived figure.
std::string derived(std::string name, const std::string& value) {
  name.resize(std::max<std::size_t>(name.size() + 1, 26), ' ');
  return "#   " + name + value + "\n";
}

std::string published(double ours, double theirs) {
  if (theirs <= 0) return "";
  return " (published " + parameters_text(theirs) + ", " + fixed((ours / theirs - 1) * 100, 2) +
         " % off)";
}

std::string show_model(const LlmSpec& m) {
  std::string out = yaml_of(model_schema(), m);
  if (m.closed) return out;
  const ParameterCount p = count_parameters(m);
  const WeightBytes w = weight_bytes(m, m.precision);
  const PublishedFigures& theirs = m.published;
  const double active =
      p.active(theirs.active_counts_embeddings) +
      (!theirs.active_counts_embeddings && theirs.active_counts_lm_head ? p.lm_head : 0);
  const char* without = theirs.active_counts_embeddings ? ""
                        : theirs.active_counts_lm_head  ? " without the embedding"
                                                        : " without embedding and LM head";
  out += "\n# Counted from the architecture above:\n";
  out += derived("layers", std::to_string(m.layers.size()));
  out += derived("parameters",
                 parameters_text(p.total()) + published(p.total(), theirs.total_parameters));
  out += derived("active per token",
                 parameters_text(active) + without + published(active, theirs.active_parameters));
  if (p.experts > 0) out += derived("share in routed experts", percent_text(p.experts / p.total()));
  if (p.mtp > 0) out += derived("MTP modules, apart", parameters_text(p.mtp));
  out += derived("weights as shipped", bytes_text(w.total()));
  out += derived("KV cache per token", bytes_text(kv_bytes_per_token(m, m.precision)));
  for (const double context : {4096.0, 32768.0, 131072.0}) {
    if (context > static_cast<double>(m.context)) continue;
    out += derived("one sequence of " + grouped(context, 0),
                   bytes_text(sequence_bytes(m, m.precision, context).total()));
  }
  return out;
}

std::string show_hardware(const HardwareSpec& h, const std::vector<PriceBook>& books) {
  std::string out = yaml_of(hardware_schema(), h);
  out += "\n# Derived:\n";
  const auto balance = [&](const char* format, double peak) {
    if (peak <= 0) return;
    out += derived(std::string(format) + " balance",
                   count_text(peak / h.memory_bandwidth) + " FLOP per byte of memory traffic");
  };
  balance("bf16", h.peak.bf16);
  balance("fp8", h.peak.fp8);
  balance("fp4", h.peak.fp4);
  out += derived("read all memory once", seconds_text(h.memory / h.memory_bandwidth));
  bool first = true;
  for (const PriceBook& book : books) {
    for (const GpuPrice& price : book.gpus) {
      if (price.hardware != h.name) continue;
      if (first) out += "# Prices (models/prices):\n";
      first = false;
      out += derived(price.level,
                     money_text(price.usd_per_hour) + " USD/h, " + price.date + ", " + price.from);
    }
  }
  return out;
}

std::string show_traffic(const RequestClass& t) {
  std::string out = yaml_of(request_class_schema(), t);
  out += "\n# Derived:\n";
  out += derived("mean input", count_text(t.input.average()) + " tokens");
  out += derived("mean output", count_text(t.output.average()) + " tokens");
  return out;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

int run(const Arguments& arguments, Console& console) {
  const std::string name = arguments.text("NAME");
  Library library(Library::find_root());
  using Shelf = Library::Shelf;
  std::string out;
  std::vector<std::string> known;
  for (const Shelf shelf :
       {Shelf::llm, Shelf::hardware, Shelf::engines, Shelf::traffic, Shelf::prices}) {
    const std::vector<std::string> names = library.names(shelf);
    known.insert(known.end(), names.begin(), names.end());
    if (!contains(names, name)) continue;
    if (shelf == Shelf::llm) out += show_model(library.model(name, {}));
    if (shelf == Shelf::hardware)
      out += show_hardware(library.hardware(name, {}), library.prices());
    if (shelf == Shelf::engines) out += yaml_of(engine_schema(), library.engine(name, {}));
    if (shelf == Shelf::traffic) out += show_traffic(library.traffic(name, {}));
    if (shelf == Shelf::prices) {
      for (const PriceBook& book : library.prices()) {
        if (book.name == name) out += yaml_of(price_schema(), book);
      }
    }
    break;
  }
  if (out.empty()) {
    std::string hint = did_you_mean(name, known);
    if (hint.empty())
      hint = " 'tollgate list models' and 'tollgate list hardware' name those it knows.";
    throw InputError(
        "tollgate show: there is no model, hardware, engine, traffic or price book named " +
        quote(name) + "." + hint);
  }
  deliver(out, arguments.text("--output"), console);
  return exit_code::ok;
}

}  // namespace

Command show_command() {
  CommandHelp help;
  help.name = "show";
  help.summary = "Print an entry of models/ with its sources and derived figures.";
  help.details = {
      "The output is YAML that a scenario or models/ can take; derived figures are comments."};
  help.positionals = {{"NAME", "Name of an entry of models/.", true}};
  help.options = {output_option()};
  help.examples = {
      {"tollgate show DeepSeek-V3", "Layers, router, precisions, parameters, cache per token."}};
  return {help, run};
}

}  // namespace tollgate
