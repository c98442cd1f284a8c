#pragma once

#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace tollgate {

class Arguments;

/// Where a command writes. Data goes to `out`, everything else to `err`.
struct Console {
  std::ostream& out;
  std::ostream& err;
  bool colour = false;  ///< `out` is a terminal that wants colour
  int width = 110;      ///< columns for running text
  bool notes = false;   ///< `err` is a terminal: a person reads along
};

/// Exit codes; docs/cli.md prints this list.
namespace exit_code {
inline constexpr int ok = 0;
inline constexpr int infeasible = 1;
inline constexpr int input = 2;
inline constexpr int file = 3;
inline constexpr int device = 4;
inline constexpr int bug = 70;
}  // namespace exit_code

/// An accelerator was asked for and cannot be used, or failed. Exit code 4.
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One option of a command, as data: the parser, the help and docs/cli.md read it.
struct OptionHelp {
  std::string name;               ///< "--format"
  std::string letter;             ///< "-o", or empty
  std::string value;              ///< "FILE"; empty for a flag
  std::string text;               ///< a sentence
  std::string default_text = {};  ///< the value it has when not given; empty = none
  std::vector<std::string> choices = {};
  bool repeatable = false;
  std::string default_note = {};  ///< instead of default_text: what holds without it, in words
};

struct PositionalHelp {
  std::string name;  ///< "SCENARIO"
  std::string text;
  bool required = true;
  std::vector<std::string> choices = {};
};

struct Example {
  std::string command;
  std::string text;
};

/// Everything people and programs need to know of one command.
struct CommandHelp {
  std::string name;
  std::string summary;               ///< a sentence for the list of commands
  std::vector<std::string> details;  ///< paragraphs
  std::vector<PositionalHelp> positionals;
  std::vector<OptionHelp> options;
  std::vector<Example> examples;
};

struct Command {
  CommandHelp help;
  /// Returns an exit code. Throws InputError, FileError or DeviceError, which run_main prints.
  int (*run)(const Arguments&, Console&);
};

/// All commands, in the order of the help.
const std::vector<Command>& commands();

/// One per file command_NAME.cpp.
Command run_command();
Command list_command();
Command show_command();
Command import_command();
Command route_command();
Command route_fit_command();
Command validate_command();
Command schema_command();
Command help_command();

}  // namespace tollgate
