#include <filesystem>

#include "sim/base/file.h"
#include "sim/base/text.h"
#include "sim/spec/hf_import.h"
#include "sim/spec/model_schema.h"
#include "tools/arguments.h"
#include "tools/output.h"

namespace tollgate {
namespace {

constexpr std::size_t config_limit = 4 << 20;

/// NVIDIA ModelOpt states the precision in a second file beside the config.
std::optional<std::string> quantisation_beside(const std::filesystem::path& config) {
  const auto path = config.parent_path() / "hf_quant_config.json";
  if (!std::filesystem::is_regular_file(path)) return std::nullopt;
  return read_text_file(path, config_limit);
}

int run(const Arguments& arguments, Console& console) {
  const std::filesystem::path path = arguments.text("CONFIG");
  const std::string text = read_text_file(path, config_limit);
  ImportResult imported = import_hf_config(text, path.string(), quantisation_beside(path));
  if (arguments.has("--name")) imported.model.name = arguments.text("--name");
  for (const std::string& sentence : imported.assumptions)
    console.err << "assumed: " << sentence << '\n';
  deliver("schema_version: 1\n" + to_yaml(*model_schema().write(imported.model)),
          arguments.text("--output"), console);
  return exit_code::ok;
}

}  // namespace

Command import_command() {
  CommandHelp help;
  help.name = "import";
  help.summary = "Turn a Hugging Face config.json into a model file.";
  help.details = {
      "Prints the model as YAML, which a scenario takes by its path (`model: my-model.yaml`). "
      "Whatever the "
      "config leaves open is assumed and said on stderr, one line each. A hf_quant_config.json "
      "beside the "
      "config is read too."};
  help.positionals = {{"CONFIG", "A config.json as published with the weights.", true}};
  help.options = {{"--name", "", "NAME", "Name of the model; left out: made of the file's name."},
                  output_option()};
  help.examples = {{"tollgate import DeepSeek-V3/config.json -o my-model.yaml",
                    "A model file to run scenarios with."}};
  return {help, run};
}

}  // namespace tollgate
