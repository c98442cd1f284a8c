#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "captured_run.h"

namespace tollgate {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing_cli::Folder;
using testing_cli::read;
using testing_cli::repository;
using testing_cli::run;

void replace(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at; (at = text.find(from)) != std::string::npos;)
    text.replace(at, from.size(), to);
}

std::vector<std::filesystem::path> bad_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(repository("tests/bad_inputs"))) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string name_of(const ::testing::TestParamInfo<std::filesystem::path>& info) {
  return info.param.stem().string();
}

class BadInput : public ::testing::TestWithParam<std::filesystem::path> {};

/// NAME.yaml beside NAME.expected, which holds the one line on stderr. A new case needs no C++.
TEST_P(BadInput, IsOneSentenceWithItsPlace) {
  const std::filesystem::path file = GetParam();
  const auto r = run({"run", file.string()});
  EXPECT_EQ(r.code, 2);
  EXPECT_EQ(r.out, "");
  EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1);
  std::string error = r.err;
  replace(error, file.parent_path().string() + "/", "");
  replace(error, repository("models"), "MODELS");
  std::filesystem::path expected = file;
  EXPECT_EQ(error, read(expected.replace_extension(".expected")));
}

INSTANTIATE_TEST_SUITE_P(Files, BadInput, ::testing::ValuesIn(bad_files()), name_of);

TEST(BadInputs, ThereAreManyAndEachHasItsMessage) {
  EXPECT_GE(bad_files().size(), 35u);
  for (std::filesystem::path file : bad_files()) {
    EXPECT_TRUE(std::filesystem::exists(file.replace_extension(".expected"))) << file;
  }
}

TEST(BadInputs, AMissingFile) {
  const auto r = run({"run", "/nowhere/x.yaml"});
  EXPECT_EQ(r.code, 2);
  EXPECT_EQ(r.err, "/nowhere/x.yaml: there is no such file.\n");
}

TEST(BadInputs, ADirectory) {
  const Folder folder;
  const auto r = run({"run", folder.path("")});
  EXPECT_EQ(r.code, 2);
  EXPECT_THAT(r.err, HasSubstr("this is a directory"));
}

TEST(BadInputs, TenMegabytes) {
  const Folder folder;
  const auto r = run({"run", folder.write("big.yaml", std::string(10 << 20, '#'))});
  EXPECT_EQ(r.code, 2);
  EXPECT_THAT(r.err, HasSubstr("big.yaml: "));
  EXPECT_THAT(r.err, EndsWith(".\n"));
}

TEST(BadInputs, DeepNestingAndAliasBombs) {
  const Folder folder;
  const auto deep = run({"run", folder.write("deep.yaml", std::string(100000, '['))});
  EXPECT_EQ(deep.code, 2);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    const std::string name = "a" + std::to_string(i);
    bomb += name + ": &" + name + " [" + before;
    for (int j = 0; j < 8; ++j) bomb += ", " + before;
    bomb += "]\n";
  }
  const auto laughs = run({"run", folder.write("laughs.yaml", bomb)});
  EXPECT_EQ(laughs.code, 2);
  EXPECT_THAT(laughs.err, HasSubstr("laughs.yaml:"));
}

TEST(BadInputs, ImportRefusesWhatIsNoConfig) {
  const Folder folder;
  for (const char* text : {"", "{", "[]", "null", "{\"model_type\": 3}", "{\"a\": 1e999}"}) {
    const auto r = run({"import", folder.write("config.json", text)});
    EXPECT_EQ(r.code, 2) << text << r.err;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  }
}

}  // namespace
}  // namespace tollgate
