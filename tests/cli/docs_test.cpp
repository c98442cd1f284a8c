#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "captured_run.h"
#include "tools/schema_json.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using testing_cli::Folder;
using testing_cli::read;
using testing_cli::repository;
using testing_cli::run;
using Json = nlohmann::json;

/// Compares with a committed file; on a mismatch the new text is written beside it as NAME.new.EXT.
void expect_current(const std::vector<std::string>& arguments, const std::string& file) {
  const auto r = run(arguments);
  ASSERT_EQ(r.code, 0) << r.err;
  const std::filesystem::path path = repository(file);
  if (r.out == read(path)) return;
  const std::filesystem::path beside =
      path.parent_path() / (path.stem().string() + ".new" + path.extension().string());
  std::ofstream(beside, std::ios::binary) << r.out;
  ADD_FAILURE() << file << " is not what the program prints; the new text is in " << beside
                << ". tools/regenerate-docs replaces it.";
}

TEST(GeneratedDocs, CommandLine) { expect_current({"help", "--markdown"}, "docs/cli.md"); }
TEST(GeneratedDocs, ScenarioReference) {
  expect_current({"schema", "--markdown"}, "docs/scenario.md");
}
TEST(GeneratedDocs, ScenarioSchema) {
  expect_current({"schema", "scenario"}, "scenarios/schema/scenario.schema.json");
}
TEST(GeneratedDocs, ShortHelp) { expect_current({"help"}, "tests/golden/help.txt"); }
TEST(GeneratedDocs, RunHelp) { expect_current({"run", "--help"}, "tests/golden/run_help.txt"); }

TEST(GeneratedDocs, OutputInReadme) {
  const auto r = run({"run", repository("scenarios/moe-vs-dense.yaml"), "--brief"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(read(repository("README.md")), HasSubstr("--brief` -->\n```\n" + r.out + "```\n"))
      << "tools/regenerate-docs replaces it";
}

/// A line as a shell splits it: at blanks, but not in single quotes, up to a #.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '#' && !quoted) break;
    if (c == '\'') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

/// What the README tells a newcomer to type, with its own scenario: all of it works, only that the
/// user's measurements and model are not there.
TEST(Readme, EveryCommandRuns) {
  const std::string readme = read(repository("README.md"));
  const Folder folder;
  const std::size_t yaml = readme.find("```yaml\n") + 8;
  const std::string mine =
      folder.write("my-chat.yaml", readme.substr(yaml, readme.find("```", yaml) - yaml));
  std::istringstream lines(readme);
  int commands = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("tollgate ")) continue;
    std::vector<std::string> words = words_of(line);
    words.erase(words.begin());
    bool theirs = false;
    for (std::string& word : words) {
      if (word == "my-chat.yaml") word = mine;
      if (word.starts_with("scenarios/")) word = repository(word);
      theirs |= word == "measured.csv" || word == "config.json";
    }
    const auto r = run(words);
    EXPECT_EQ(r.code, theirs ? 2 : 0) << line << "\n" << r.err;
    EXPECT_EQ(r.err.find("there is no such file") != std::string::npos, theirs) << r.err;
    ++commands;
  }
  EXPECT_GE(commands, 8);
}

TEST(Schema, EveryKindIsDraft7AndClosed) {
  for (const std::string kind : {"scenario", "model", "hardware", "prices", "traffic", "routing"}) {
    const Json json = Json::parse(run({"schema", kind}).out);
    EXPECT_EQ(json["$schema"], "http://json-schema.org/draft-07/schema#");
    EXPECT_EQ(json["additionalProperties"], false);
    EXPECT_EQ(json["required"][0], "schema_version");
    for (const Json& definition : json["definitions"]) {
      EXPECT_EQ(definition["additionalProperties"], false);
      for (const Json& property : definition["properties"])
        EXPECT_FALSE(property["description"].get<std::string>().empty());
    }
    EXPECT_THAT(run({"schema", kind, "--markdown"}).out, HasSubstr("| key | type |"));
  }
}

TEST(Schema, RangesReadBack) {
  for (const Range& range :
       {Range{0, 1}, Range{0, unbounded, true}, Range{1, unbounded}, Range{0, 1, true},
        Range{-unbounded, 5}, Range{-unbounded, unbounded}, Range{0.1, 1}}) {
    const Range read_back = parse_range(describe(range));
    EXPECT_EQ(read_back.low, range.low);
    EXPECT_EQ(read_back.high, range.high);
    EXPECT_EQ(read_back.above, range.above);
  }
}

/// A second, independent reader of the schema: Debian's python3-jsonschema, which tools/setup
/// installs.
TEST(Schema, PythonsJsonschemaAcceptsEveryFileAndRefusesBadOnes) {
  if (std::system("/usr/bin/python3 -c 'import jsonschema, yaml' 2>/dev/null") != 0) {
    GTEST_SKIP() << "python3-jsonschema or python3-yaml is not installed";
  }
  const Folder folder;
  for (const std::string kind : {"scenario", "model", "hardware", "prices", "traffic", "routing"}) {
    folder.write(kind + ".json", run({"schema", kind}).out);
  }
  const std::string command = "/usr/bin/python3 -W ignore " +
                              repository("tests/cli/validate_schemas.py") + " " + folder.path("") +
                              " " + repository("") + " 2>&1";
  std::string output;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, n);
  EXPECT_EQ(::pclose(pipe), 0) << output;
  EXPECT_THAT(output, HasSubstr("files agree"));
}

}  // namespace
}  // namespace tollgate
