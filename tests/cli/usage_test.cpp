#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "captured_run.h"
#include "sim/report/version.h"
#include "tools/command.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_cli::run;

TEST(Usage, NoArgumentsPrintHelpOnStderrAndFail) {
  const auto r = run({});
  EXPECT_EQ(r.code, 2);
  EXPECT_EQ(r.out, "");
  EXPECT_THAT(r.err, HasSubstr("Commands:"));
}

TEST(Usage, HelpGoesToStdout) {
  for (const auto& arguments : {std::vector<std::string>{"--help"}, {"-h"}, {"help"}}) {
    const auto r = run(arguments);
    EXPECT_EQ(r.code, 0);
    EXPECT_THAT(r.out, HasSubstr("Commands:"));
    EXPECT_EQ(r.err, "");
  }
}

TEST(Usage, EveryCommandExplainsItself) {
  for (const Command& command : commands()) {
    const auto dashed = run({command.help.name, "--help"});
    const auto named = run({"help", command.help.name});
    EXPECT_EQ(dashed.code, 0);
    EXPECT_EQ(dashed.out, named.out);
    EXPECT_THAT(dashed.out, StartsWith("tollgate " + command.help.name));
    EXPECT_THAT(run({"--help"}).out, HasSubstr(command.help.summary));
    for (const OptionHelp& option : command.help.options)
      EXPECT_THAT(dashed.out, HasSubstr(option.name));
    for (const Example& example : command.help.examples) {
      EXPECT_THAT(example.command, StartsWith("tollgate " + command.help.name));
    }
  }
}

TEST(Usage, VersionNamesTheBackends) {
  const auto r = run({"--version"});
  EXPECT_EQ(r.code, 0);
  EXPECT_THAT(r.out, StartsWith("tollgate " + std::string(tool_version)));
  for (const char* backend : {"cuda", "tbb", "reference"}) EXPECT_THAT(r.out, HasSubstr(backend));
}

struct Mistake {
  std::vector<std::string> arguments;
  std::string error;
};

TEST(Usage, EveryMistakeIsOneSentenceAndExitCodeTwo) {
  const Mistake mistakes[] = {
      {{"lst"}, "tollgate: there is no command 'lst'. Did you mean 'list'?"},
      {{"frobnicate"},
       "tollgate: there is no command 'frobnicate'. Known: run, list, show, import, route, route "
       "fit, schema, "
       "help."},
      {{"--vresion"}, "tollgate: there is no option '--vresion'. Did you mean '--version'?"},
      {{"x/y.yaml"},
       "tollgate: 'x/y.yaml' is not a command. Did you mean 'tollgate run x/y.yaml'?"},
      {{"run"}, "tollgate run: SCENARIO is missing; 'tollgate run --help' explains it."},
      {{"run", "a", "--fromat", "json"},
       "tollgate run: there is no option '--fromat'. Did you mean '--format'?"},
      {{"run", "a", "--format", "jsn"},
       "tollgate run: --format must be one of text, json, csv, but is 'jsn'. Did you mean 'json'?"},
      {{"run", "a", "--format"}, "tollgate run: the option '--format' needs a value."},
      {{"run", "a", "--format", "csv", "--format", "json"},
       "tollgate run: --format is given 2 times."},
      {{"run", "a", "b"}, "tollgate run: the argument 'b' is not expected."},
      {{"run", "a", "--seed", "x"},
       "tollgate run: --seed must be a whole number from 0 to 9000000000000000, but is 'x'."},
      {{"list"},
       "tollgate list: KIND is missing (one of models, hardware, engines, prices, traffic); 'tollgate list "
       "--help' explains it."},
      {{"list", "model"},
       "tollgate list: KIND must be one of models, hardware, engines, prices, traffic, but is 'model'. Did "
       "you mean 'models'?"},
      {{"help", "lst"},
       "tollgate help: there is no command 'lst'. Did you mean 'list'? Known: run, list, show, "
       "import, route, route fit, schema, help."},
      {{"show", "DeepSeek-V2Lite"},
       "tollgate show: there is no model, hardware, engine, traffic or price book named 'DeepSeek-V2Lite'. "
       "Did you mean "
       "'DeepSeek-V2-Lite'?"},
      {{"route"}, "tollgate route: give --model NAME, or --experts N and --top-k K."},
      {{"route", "--experts", "8", "--batch", "1,,2"},
       "tollgate route: --batch must be a whole number from 1 to 16777216, but is ''."},
      {{"route", "--model", "DeepSeek-V3", "--top-k", "2"},
       "tollgate route: --model and --top-k exclude each other; the model has its own gate."},
      {{"run", "\x1b[31m\n"}, "\\x1b[31m\\x0a: there is no such file."},
  };
  for (const Mistake& mistake : mistakes) {
    const auto r = run(mistake.arguments);
    EXPECT_EQ(r.code, 2) << mistake.error;
    EXPECT_EQ(r.out, "");
    EXPECT_EQ(r.err, mistake.error + "\n");
  }
}

TEST(Usage, CommandsAreNotSharedByPrefix) { EXPECT_EQ(run({"ru"}).code, 2); }

}  // namespace
}  // namespace tollgate
