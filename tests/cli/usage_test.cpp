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
       "fit, calibrate, validate, schema, "
       "help."},
      {{"--vresion"}, "tollgate: there is no option '--vresion'. Did you mean '--version'?"},
      {{"x/y.yaml"},
       "tollgate: 'x/y.yaml' is not a command. Did you mean 'tollgate run x/y.yaml'?"},
      {{"run"}, "tollgate run: SCENARIO is missing; 'tollgate run --help' explains it."},
      {{"run", "a", "--fromat", "json"},
       "tollgate run: there is no option '--fromat'. Did you mean '--format'?"},
      {{"run", "a", "--format", "jsn"},
       "tollgate run: --format must be one of text, json, csv, focus, but is 'jsn'. Did you mean 'json'?"},
      {{"run", "a", "--format"}, "tollgate run: the option '--format' needs a value."},
      {{"run", "a", "--format", "csv", "--format", "json"},
       "tollgate run: --format is given 2 times."},
      {{"run", "a", "b"}, "tollgate run: the argument 'b' is not expected."},
      {{"run", "a", "--seed", "x"},
       "tollgate run: --seed must be a whole number from 0 to 9000000000000000, but is 'x'."},
      {{"list"},
       "tollgate list: KIND is missing (one of models, hardware, engines, prices, traffic, "
       "operators); "
       "'tollgate list "
       "--help' explains it."},
      {{"list", "model"},
       "tollgate list: KIND must be one of models, hardware, engines, prices, traffic, operators, "
       "but is "
       "'model'. Did "
       "you mean 'models'?"},
      {{"help", "lst"},
       "tollgate help: there is no command 'lst'. Did you mean 'list'? Known: run, list, show, "
       "import, route, route fit, calibrate, validate, schema, help."},
      {{"show", "DeepSeek-V2Lite"},
       "tollgate show: there is no model, hardware, engine, traffic or price book named "
       "'DeepSeek-V2Lite'. "
       "Did you mean "
       "'DeepSeek-V2-Lite'?"},
      {{"route"}, "tollgate route: give a MODEL, or --experts N and --top-k K."},
      {{"route", "--experts", "8", "--tokens", "1,,2"},
       "tollgate route: --tokens must be a whole number from 1 to 16777216, but is ''."},
      {{"route", "--experts", "8", "--tokens", "2147483648"},
       "tollgate route: --tokens must be a whole number from 1 to 16777216, but is '2147483648'."},
      {{"route", "--experts", "8", "--tokens", "0"},
       "tollgate route: --tokens must be a whole number from 1 to 16777216, but is '0'."},
      {{"route", "DeepSeek-V3", "--top-k", "2"},
       "tollgate route: MODEL and --top-k exclude each other; the model has its own gate."},
      {{"route", "--experts", "8", "--top-k", "9"},
       "tollgate route: --top-k is 9, but there are only 8 experts."},
      {{"route", "--experts", "64", "--top-k", "8", "--groups", "16", "--groups-kept", "1"},
       "tollgate route: The gate's top_k is 8, but its 1 kept groups hold only 4 experts."},
      {{"route", "--experts", "64", "--top-k", "2", "--groups", "6", "--groups-kept", "1"},
       "tollgate route: The gate's 6 groups do not divide the 64 experts evenly."},
      {{"route", "DeepSeek-V3", "--capacity", "0"},
       "tollgate route: A capacity factor of 0 leaves experts a capacity of 0; every token "
       "would be dropped."},
      {{"route", "DeepSeek-V3", "--capacity", "1", "--capacity-rule", "switch"},
       "tollgate route: The Switch rule is for top-1 gates, but top_k is 8; take the GShard rule."},
      {{"route", "DeepSeek-V3", "--capacity-rule", "tutel"},
       "tollgate route: --capacity-rule goes with --capacity."},
      {{"route", "DeepSeek-V3", "--ranks", "12"},
       "tollgate route: --ranks is 12, which is not a whole number of nodes of 8 ranks; set "
       "--ranks-per-node."},
      {{"route", "DeepSeek-V3", "--ranks", "320"},
       "tollgate route: --ranks is 320, but 256 experts and 0 redundant ones leave some without an "
       "expert; add --redundant."},
      {{"route", "DeepSeek-V3", "--tokens", "1000000", "--steps", "16"},
       "tollgate route: --tokens x --steps x --layers is 128000000, more than the 67108864 that "
       "are "
       "routed per run (and 16777216 per layer); take fewer --steps or --layers."},
      {{"route", "DeepSeek-V3", "--form", "alias"},
       "tollgate route: the alias form draws without expert groups, but this router keeps 4 of 8; "
       "use the logits form."},
      {{"route", "DeepSeek-V3", "--stickiness", "0.2"},
       "tollgate route: --stickiness goes with --form alias."},
      {{"route", "DeepSeek-V3", "--prompt", "64"},
       "tollgate route: --prompt goes with --phase prefill."},
      {{"route", "DeepSeek-V3", "--popularity", "zipf"},
       "tollgate route: --popularity zipf or power_law needs --exponent."},
      {{"route", "DeepSeek-V3", "--popularity", "lognormal", "--sigma", "nan"},
       "tollgate route: --sigma must be a number from 0 to 4, but is 'nan'."},
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
