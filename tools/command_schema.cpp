#include "sim/spec/model_schema.h"
#include "sim/spec/popularity_spec.h"
#include "sim/spec/scenario_schema.h"
#include "sim/spec/workload_schema.h"
#include "tools/arguments.h"
#include "tools/output.h"
#include "tools/schema_json.h"
#include "tools/schema_markdown.h"

namespace tollgate {
namespace {

const SchemaInfo& info_of(const std::string& kind) {
  if (kind == "model") return model_schema().info();
  if (kind == "hardware") return hardware_schema().info();
  if (kind == "prices") return price_schema().info();
  if (kind == "traffic") return request_class_schema().info();
  if (kind == "routing") return popularity_schema().info();
  return scenario_schema_info();
}

int run(const Arguments& arguments, Console& console) {
  const std::string kind = arguments.text("KIND");
  std::string out;
  if (!arguments.has("--markdown")) {
    out = json_schema(info_of(kind));
  } else if (!kind.empty()) {
    out = markdown_reference({&info_of(kind)});
  } else {
    out = markdown_reference({&info_of("scenario"), &info_of("model"), &info_of("hardware"),
                              &info_of("prices"), &info_of("traffic"), &info_of("routing")});
  }
  deliver(out, arguments.text("--output"), console);
  return exit_code::ok;
}

}  // namespace

Command schema_command() {
  CommandHelp help;
  help.name = "schema";
  help.summary = "Print the JSON Schema of a scenario or of a file of models/, for editors.";
  help.details = {
      "JSON Schema draft-07, which the YAML language server reads: put `# yaml-language-server: "
      "$schema=scenario.schema.json` in the first line of a scenario. The program itself is "
      "stricter: it "
      "also checks fields against each other."};
  help.positionals = {{"KIND",
                       "What to describe; left out: a scenario.",
                       false,
                       {"scenario", "model", "hardware", "prices", "traffic", "routing"}}};
  help.options = {
      {"--markdown", "", "",
       "Print the reference in Markdown instead; without KIND, of everything (docs/scenario.md)."},
      output_option()};
  help.examples = {
      {"tollgate schema -o scenario.schema.json", "For completion and checks while writing."}};
  return {help, run};
}

}  // namespace tollgate
