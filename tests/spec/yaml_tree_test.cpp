// The strict YAML reader: what yaml-cpp would let pass is refused, with its exact place.
#include "sim/spec/yaml_tree.h"

#include <gmock/gmock.h>

namespace tollgate {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string parse_error(const std::string& text) {
  try {
    parse_yaml(text, "f.yaml");
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(YamlTree, KeepsPlacesAndText) {
  const auto root = parse_yaml("a: 010\nb:\n  - x\n  - {c: 'y'}\n", "f.yaml");
  EXPECT_EQ(root->find("a")->value->scalar, "010");
  EXPECT_EQ(root->find("a")->value->place.column, 4);
  const auto& list = root->find("b")->value->items;
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1]->find("c")->place.line, 4);
  EXPECT_EQ(list[1]->find("c")->place.column, 6);
  EXPECT_FALSE(list[1]->find("c")->value->plain);
}

TEST(YamlTree, RefusesADuplicateKey) {
  EXPECT_EQ(parse_error("a: 1\nb:\n  c: 1\n  c: 2\n"),
            "f.yaml:4:3: the key 'c' was already given at line 3.");
}

TEST(YamlTree, RefusesAnAliasCycle) {
  EXPECT_EQ(parse_error("a: &x\n  b: *x\n"),
            "f.yaml:2:6: this alias refers to a value that contains it.");
}

TEST(YamlTree, RefusesBillionLaughs) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) text += last + ", ";
    text += last + "]\n";
  }
  const std::string error = parse_error(text);
  EXPECT_THAT(error, StartsWith("f.yaml:"));
  EXPECT_THAT(error, HasSubstr("more than 200000 values once its aliases are expanded."));
}

TEST(YamlTree, AcceptsAnHonestAlias) {
  const auto root = parse_yaml("a: &x {b: 1}\nc: *x\n", "f.yaml");
  EXPECT_EQ(root->find("c")->value->find("b")->value->scalar, "1");
}

TEST(YamlTree, RefusesATag) {
  EXPECT_THAT(parse_error("a: !!python/object x\n"), StartsWith("f.yaml:1:4: the tag '"));
  EXPECT_THAT(parse_error("a:\n  - !mine [1]\n"), StartsWith("f.yaml:2:5: the tag '"));
}

TEST(YamlTree, RefusesAMergeKey) {
  EXPECT_THAT(parse_error("a: &x {b: 1}\nc:\n  <<: *x\n"),
              StartsWith("f.yaml:3:3: merge keys (<<) are not supported"));
}

TEST(YamlTree, RefusesASecondDocument) {
  EXPECT_EQ(parse_error("a: 1\n---\nb: 2\n"),
            "f.yaml:3:1: a second YAML document begins here; one file holds one.");
}

TEST(YamlTree, RefusesEmptyFiles) {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "~\n"}) {
    EXPECT_EQ(parse_error(text), "f.yaml: the file is empty.") << text;
  }
}

TEST(YamlTree, RefusesBytesThatAreNotText) {
  EXPECT_EQ(parse_error(std::string("a: 1\0\n", 6)),
            "f.yaml: the file has a zero byte; it is not YAML text.");
  EXPECT_EQ(parse_error("a: \xff\xfe\n"), "f.yaml: the file is not UTF-8 text.");
}

TEST(YamlTree, RefusesDeepNesting) {
  EXPECT_THAT(parse_error(std::string(60, '[') + std::string(60, ']')), HasSubstr("levels deep"));
  EXPECT_THAT(parse_error(std::string(200, '[')), HasSubstr("f.yaml:1:"));
}

TEST(YamlTree, NamesThePlaceOfASyntaxError) {
  EXPECT_THAT(parse_error("a: 1\nb: [1, 2\n"), HasSubstr("this is not YAML"));
  EXPECT_THAT(parse_error("a: 1\n\tb: 2\n"), StartsWith("f.yaml:2:"));
  EXPECT_EQ(parse_error("a: 'open\n"), "f.yaml:1:4: this is not YAML: the quoted text has no end.");
  EXPECT_EQ(parse_error("\xc3\xa9: \"open \\\"\nb: 1\n"),
            "f.yaml:1:5: this is not YAML: the quoted text has no end.");
  EXPECT_EQ(parse_error("a: 'closed ''so'\nb: \"x\"\n"), "nothing was thrown");
  EXPECT_THAT(parse_error("? [a, b]\n: 1\n"), HasSubstr("a key must be plain text."));
}

TEST(YamlTree, WrittenTextReadsBackEqual) {
  auto root = yaml_mapping();
  for (const char* text : {"plain",     "a: b",        "- x",    "",
                           "~",         "null",        "NULL",   "it's",
                           "\"q\"",     "back\\slash", "#no",    "x #no",
                           "tab\there", "line\nbreak", "bell\a", "carriage\rreturn",
                           "[x",        "{x",          "a,b",    "-5",
                           "1e9",       "&a",          "*a",     "!t",
                           "%d",        "trail:",      " lead",  "trail ",
                           "?",         "\xc3\xa9"}) {
    root->add("key " + std::to_string(root->entries.size()), yaml_scalar(text));
  }
  auto list = yaml_sequence();
  auto inner = yaml_mapping();
  for (int i = 0; i < 12; ++i) {
    inner->add("long key number " + std::to_string(i), yaml_scalar("a, [value]"));
  }
  list->items = {inner, yaml_scalar("x, y"), inner};
  root->add("list", list);

  const std::string text = to_yaml(*root);
  const auto again = parse_yaml(text, "f.yaml");
  ASSERT_EQ(again->entries.size(), root->entries.size()) << text;
  for (std::size_t i = 0; i + 1 < root->entries.size(); ++i) {
    EXPECT_EQ(again->entries[i].value->scalar, root->entries[i].value->scalar) << text;
  }
  EXPECT_EQ(to_yaml(*again), text);
}

std::string after(const std::string& start, const std::string& assignment) {
  const auto root = parse_yaml(start, "f.yaml");
  apply_override(*root, assignment);
  return to_yaml(*root);
}

std::string override_error(const std::string& start, const std::string& assignment) {
  try {
    after(start, assignment);
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

constexpr const char* scenario =
    "slo: {tpot: 50 ms}\n"
    "candidates:\n"
    "  - {name: DeepSeek-V3.2, gpus: 4}\n"
    "  - {name: Qwen2.5-72B, gpus: 2}\n";

TEST(Override, ReplacesAndAdds) {
  EXPECT_THAT(after(scenario, "slo.tpot=30 ms"), HasSubstr("tpot: 30 ms"));
  EXPECT_THAT(after(scenario, " slo.ttft = 2 s "), HasSubstr("{tpot: 50 ms, ttft: 2 s}"));
  EXPECT_THAT(after(scenario, "new.deep.key=1"), HasSubstr("new: {deep: {key: 1}}"));
  EXPECT_THAT(after(scenario, "slo={ttft: 1 s}"), HasSubstr("slo: {ttft: 1 s}"));
  EXPECT_THAT(after(scenario, "list=[1, 2]"), HasSubstr("list: [1, 2]"));
  EXPECT_THAT(after(scenario, "note=a=b"), HasSubstr("note: a=b"));
}

TEST(Override, FindsListElementsByIndexAndByNameWithDots) {
  for (const char* path :
       {"candidates[0].gpus=8", "candidates.0.gpus=8", "candidates.DeepSeek-V3.2.gpus=8"}) {
    const std::string text = after(scenario, path);
    EXPECT_THAT(text, HasSubstr("{name: DeepSeek-V3.2, gpus: 8}")) << path;
    EXPECT_THAT(text, HasSubstr("{name: Qwen2.5-72B, gpus: 2}")) << path;
  }
  EXPECT_THAT(after(scenario, "candidates.Qwen2.5-72B.gpus=8"),
              HasSubstr("{name: Qwen2.5-72B, gpus: 8}"));
}

TEST(Override, ChangesOnlyTheNamedUseOfAnAlias) {
  const std::string text = after("a: &x {b: 1}\nc: *x\n", "c.b=2");
  EXPECT_THAT(text, HasSubstr("a: {b: 1}"));
  EXPECT_THAT(text, HasSubstr("c: {b: 2}"));
}

TEST(Override, RefusesBadPaths) {
  EXPECT_THAT(override_error(scenario, "slo.tpot"), HasSubstr("there is no '='"));
  EXPECT_THAT(override_error(scenario, "=1"), HasSubstr("the path has an empty part"));
  EXPECT_THAT(override_error(scenario, "slo.tpot="), HasSubstr("there is no value after the '='"));
  EXPECT_THAT(override_error(scenario, "candidates[0.gpus=1"), HasSubstr("is not closed"));
  EXPECT_THAT(override_error(scenario, "candidates[7].gpus=1"),
              HasSubstr("the list has 2 elements"));
  EXPECT_THAT(override_error(scenario, "candidates.DeepSeek-V32.gpus=1"),
              HasSubstr("Did you mean 'DeepSeek-V3.2'?"));
  EXPECT_THAT(override_error(scenario, "slo.tpot.x=1"), HasSubstr("leads into text"));
  EXPECT_THAT(override_error(scenario, "slo[0]=1"), HasSubstr("leads into a mapping"));
  EXPECT_THAT(override_error(scenario, "slo.tpot=[1"), StartsWith("--set 'slo.tpot=[1'"));
  EXPECT_THAT(override_error(scenario, "slo.tpot={a: 1, a: 2}"),
              StartsWith("--set 'slo.tpot={a: 1, a: 2}'"));
}

}  // namespace
}  // namespace tollgate
