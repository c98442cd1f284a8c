#include "sim/base/error.h"
#include "sim/base/text.h"
#include "tools/arguments.h"
#include "tools/help_text.h"

namespace tollgate {
namespace {

int run(const Arguments& arguments, Console& console) {
  if (arguments.has("--markdown")) {
    console.out << markdown_help();
    return exit_code::ok;
  }
  if (!arguments.has("COMMAND")) {
    console.out << short_help();
    return exit_code::ok;
  }
  const std::string name = arguments.text("COMMAND");
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    names.push_back(command.help.name);
    if (command.help.name != name) continue;
    console.out << command_help(command.help, console.width);
    return exit_code::ok;
  }
  throw InputError("tollgate help: there is no command " + quote(name) + "." +
                   did_you_mean(name, names) + " Known: " + join(names) + ".");
}

}  // namespace

Command help_command() {
  CommandHelp help;
  help.name = "help";
  help.summary = "Explain a command.";
  help.positionals = {{"COMMAND", "Name of a command.", false}};
  help.options = {
      {"--markdown", "", "", "Print the reference of all commands in Markdown (docs/cli.md)."}};
  help.examples = {{"tollgate help run", "The options of `run` with examples."}};
  return {help, run};
}

}  // namespace tollgate
