#include "tools/cli.h"

#include <algorithm>
#include <exception>

#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/report/number_format.h"
#include "tools/argument_parser.h"
#include "tools/command.h"
#include "tools/help_text.h"
#include "tools/version_text.h"

namespace tollgate {
namespace {

const Command& find_command(const std::string& name) {
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (command.help.name == name) return command;
    names.push_back(command.help.name);
  }
  if (name.ends_with(".yaml") || name.ends_with(".yml")) {
    throw InputError("tollgate: " + quote(name) + " is not a command. Did you mean 'tollgate run " +
                     name + "'?");
  }
  const std::string what = name.starts_with("-") ? "option " : "command ";
  if (name.starts_with("-")) names = {"--help", "--version"};
  std::string hint = did_you_mean(name, names);
  if (hint.empty()) hint = " Known: " + join(names) + ".";
  throw InputError("tollgate: there is no " + what + quote(name) + "." + hint);
}

bool asks_for_help(const std::vector<std::string>& words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::any_of(words.begin(), end,
                     [](const std::string& w) { return w == "-h" || w == "--help"; });
}

int dispatch(const std::vector<std::string>& arguments, Console& console) {
  if (arguments.empty()) {
    console.err << short_help();
    return exit_code::input;
  }
  const std::string& first = arguments.front();
  if (first == "-h" || first == "--help") {
    console.out << short_help();
    return exit_code::ok;
  }
  if (first == "--version" || first == "-V") {
    console.out << version_text();
    return exit_code::ok;
  }
  // A command of two words, such as `route fit`, goes before the one of its first word.
  std::string name = first;
  if (arguments.size() > 1) {
    const std::string two = first + " " + arguments[1];
    for (const Command& command : commands()) {
      if (command.help.name == two) name = two;
    }
  }
  const Command& command = find_command(name);
  const std::vector<std::string> rest(arguments.begin() + (name == first ? 1 : 2), arguments.end());
  if (asks_for_help(rest)) {
    console.out << command_help(command.help, console.width);
    return exit_code::ok;
  }
  return command.run(parse_arguments(command.help, rest), console);
}

/// One line without control characters, whatever is in the sentence.
void complain(std::ostream& err, const std::string& sentence) {
  err << printable(sentence) << '\n';
}

}  // namespace

int run_main(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err,
             const Terminal& terminal) {
  Console console{out, err, terminal.colour, terminal.width, terminal.notes};
  return exit_code_of([&] { return dispatch(arguments, console); }, err);
}

int exit_code_of(const std::function<int()>& command, std::ostream& err) {
  try {
    return command();
  } catch (const InputError& error) {
    complain(err, error.what());
    return exit_code::input;
  } catch (const FileError& error) {
    complain(err, error.what());
    return exit_code::file;
  } catch (const DeviceError& error) {
    complain(err, error.what());
    return exit_code::device;
  } catch (const std::bad_alloc&) {
    complain(err, "This is a bug in tollgate: it ran out of memory.");
    return exit_code::bug;
  } catch (const std::exception& error) {
    complain(err, std::string("This is a bug in tollgate: ") + error.what());
    return exit_code::bug;
  }
}

}  // namespace tollgate
