#include "sim/spec/plain_yaml.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "sim/base/file.h"

namespace tollgate {
namespace {

/// "" if two trees are equal, places included; else where they differ.
std::string difference(const YamlNode& a, const YamlNode& b) {
  const auto same = [](const Place& x, const Place& y) {
    return x.file == y.file && x.line == y.line && x.column == y.column;
  };
  const std::string here = to_string(a.place) + " against " + to_string(b.place);
  if (a.kind != b.kind || a.scalar != b.scalar || a.plain != b.plain || !same(a.place, b.place) ||
      a.items.size() != b.items.size() || a.entries.size() != b.entries.size()) {
    return here + ": '" + a.scalar + "' against '" + b.scalar + "'";
  }
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    const std::string inner = difference(*a.items[i], *b.items[i]);
    if (!inner.empty()) return inner;
  }
  for (std::size_t i = 0; i < a.entries.size(); ++i) {
    const auto &x = a.entries[i], &y = b.entries[i];
    if (x.key != y.key || !same(x.place, y.place)) return here + ": key " + x.key;
    const std::string inner = difference(*x.value, *y.value);
    if (!inner.empty()) return inner;
  }
  return "";
}

/// Holds a tree of the plain reader, if it gives one, against that of the complete parser.
std::string disagreement(const std::string& text) {
  const YamlPtr plain = parse_plain_yaml(text, "a.yaml");
  if (!plain) return "";
  try {
    return difference(*plain, *parse_any_yaml(text, "a.yaml"));
  } catch (const InputError& error) {
    return std::string("refused: ") + error.what();
  }
}

const std::string sample = R"(name: x
# of its own line
list:
  - one
  - {a: 1, b: [2, "3, 4"], c: {}}
  - op: gemm
    range: {m: [1, 2.5], n: []}
    parameters:
      launch: 3.1 us
  - - 7
text: "quoted: text"
other: 'single'
last: -4 us
)";

TEST(PlainYaml, ReadsEveryShippedFileLikeTheCompleteParser) {
  int files = 0, plain = 0;
  const std::filesystem::path repository = TOLLGATE_REPOSITORY;
  for (const char* folder : {"models", "scenarios"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(repository / folder)) {
      if (entry.path().extension() != ".yaml") continue;
      const std::string text = read_text_file(entry.path(), 1 << 24);
      ++files;
      if (const YamlPtr tree = parse_plain_yaml(text, "a.yaml")) {
        ++plain;
        EXPECT_EQ(difference(*tree, *parse_any_yaml(text, "a.yaml")), "") << entry.path();
      }
    }
  }
  EXPECT_GT(files, 50);
  EXPECT_GT(plain, files / 2);
}

TEST(PlainYaml, ReadsTheOperatorCurvesOfEveryDevice) {
  const auto folder = std::filesystem::path(TOLLGATE_REPOSITORY) / "models/hardware/operators";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_NE(parse_plain_yaml(read_text_file(entry.path(), 1 << 24), "a.yaml"), nullptr)
        << entry.path();
  }
}

TEST(PlainYaml, LeavesTheRestToTheCompleteParser) {
  const std::string plain = sample.substr(0, sample.find("  - - 7")) + "end: 1\n";
  ASSERT_NE(parse_plain_yaml(plain, "a.yaml"), nullptr);
  for (const char* text : {"",
                           "a\n",
                           "a: 1\na: 2\n",
                           "a: &x 1\n",
                           "a: !t 1\n",
                           "a: |\n  b\n",
                           "a: b\n  c\n",
                           "a:\n",
                           "a: ~\n",
                           "a: null\n",
                           "a: b: c\n",
                           "a: 1 # why\n",
                           "a: [1,\n 2]\n",
                           "a: [1\n",
                           "a: [1,]\n",
                           "a: \"b\\n\"\n",
                           "a: 'it''s'\n",
                           "a: \"b\n",
                           "\ta: 1\n",
                           " a: 1\n",
                           "a:\n- 1\n",
                           "--- \na: 1\n",
                           "a: 1\n...\n",
                           "<<: 1\n",
                           "a: *x\n",
                           "? a\n",
                           "a: 1\n b: 2\n",
                           "a : 1\n",
                           "a: \xc3\xa4\n",
                           "- 1\n-2\n"}) {
    EXPECT_EQ(parse_plain_yaml(text, "a.yaml"), nullptr) << text;
  }
}

/// 20,000 documents, each the sample with one to three characters replaced, removed or put in.
TEST(PlainYaml, NeverGivesAnotherTreeThanTheCompleteParser) {
  const std::string characters = " \n:-,[]{}\"'#ab0.~&*!|>?%\\";
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return random() % n; };
  int read = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = sample;
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(text.size());
      const char c = characters[below(characters.size())];
      switch (below(3)) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.erase(at, 1);
          break;
        default:
          text.insert(at, 1, c);
      }
    }
    const std::size_t nested = text.find("  - - 7\n");
    if (nested != std::string::npos) text.erase(nested, 8);
    if (parse_plain_yaml(text, "a.yaml")) ++read;
    ASSERT_EQ(disagreement(text), "") << text;
  }
  EXPECT_GT(read, 4000);
}

}  // namespace
}  // namespace tollgate
