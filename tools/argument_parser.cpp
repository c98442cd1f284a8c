#include "tools/argument_parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "sim/base/error.h"
#include "sim/base/text.h"

// The only file that includes CLI11, which takes seconds to compile.
namespace tollgate {
namespace {

[[noreturn]] void fail(const CommandHelp& help, const std::string& sentence) {
  throw InputError("tollgate " + help.name + ": " + sentence);
}

void check_choice(const CommandHelp& help, const std::string& name, const std::string& value,
                  const std::vector<std::string>& choices) {
  if (choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  fail(help, name + " must be one of " + join(choices) + ", but is " + quote(value) + "." +
                 did_you_mean(value, choices));
}

[[noreturn]] void refuse_extra(const CommandHelp& help, const std::string& word) {
  if (word.size() < 2 || word[0] != '-')
    fail(help, "the argument " + quote(word) + " is not expected.");
  const std::string given = word.substr(0, word.find('='));
  std::vector<std::string> known{"--help"};
  for (const OptionHelp& option : help.options) known.push_back(option.name);
  std::string hint = did_you_mean(given, known);
  if (hint.empty()) hint = " Known options: " + join(known) + ".";
  fail(help, "there is no option " + quote(given) + "." + hint);
}

}  // namespace

Arguments parse_arguments(const CommandHelp& help, const std::vector<std::string>& words) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::map<std::string, std::vector<std::string>> values;
  std::map<std::string, bool> flags;
  std::vector<std::string> free_words;
  app.add_option("WORDS", free_words);
  for (const OptionHelp& option : help.options) {
    const std::string names =
        option.letter.empty() ? option.name : option.letter + "," + option.name;
    if (option.value.empty()) {
      app.add_flag(names, flags[option.name]);
    } else {
      app.add_option(names, values[option.name])->allow_extra_args(false);
    }
  }
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string what = error.what();
    fail(help, "the option " + quote(what.substr(0, what.find(':'))) + " needs a value.");
  } catch (const CLI::ParseError& error) {
    fail(help, std::string(error.what()) + ".");
  }
  if (const auto extra = app.remaining(); !extra.empty()) refuse_extra(help, extra.front());

  Arguments arguments(help.name);
  for (std::size_t i = 0; i < std::max(help.positionals.size(), free_words.size()); ++i) {
    const bool beyond = i >= help.positionals.size();
    if (beyond && (help.positionals.empty() || !help.positionals.back().repeatable)) {
      refuse_extra(help, free_words[i]);
    }
    const PositionalHelp& positional = beyond ? help.positionals.back() : help.positionals[i];
    if (i < free_words.size()) {
      check_choice(help, positional.name, free_words[i], positional.choices);
      arguments.add(positional.name, free_words[i]);
    } else if (positional.required) {
      const std::string one_of =
          positional.choices.empty() ? "" : " (one of " + join(positional.choices) + ")";
      fail(help, positional.name + " is missing" + one_of + "; 'tollgate " + help.name +
                     " --help' explains it.");
    }
  }
  for (const OptionHelp& option : help.options) {
    if (option.value.empty()) {
      if (flags[option.name]) arguments.add(option.name, "true");
      continue;
    }
    if (!option.default_text.empty()) arguments.add_default(option.name, option.default_text);
    const auto& given = values[option.name];
    if (given.size() > 1 && !option.repeatable) {
      fail(help, option.name + " is given " + std::to_string(given.size()) + " times.");
    }
    for (const std::string& value : given) {
      check_choice(help, option.name, value, option.choices);
      arguments.add(option.name, value);
    }
  }
  return arguments;
}

}  // namespace tollgate
