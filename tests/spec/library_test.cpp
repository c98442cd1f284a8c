// The folder models/llm: every entry loads, is named like its file, and survives being written.
#include "sim/spec/library.h"

#include <gmock/gmock.h>

#include <functional>

#include "sim/spec/architecture.h"

namespace tollgate {
namespace {

using testing::HasSubstr;

std::string sentence_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(ModelLibrary, HoldsAtLeastThirtySixOpenModelsNamedLikeTheirFiles) {
  Library library(TOLLGATE_REPOSITORY "/models");
  int open = 0, closed = 0;
  for (const auto& name : library.names(Library::Shelf::llm)) {
    SCOPED_TRACE(name);
    const LlmSpec m = library.model(name, {});
    EXPECT_EQ(m.name, name);
    EXPECT_FALSE(m.sources.empty());
    EXPECT_FALSE(m.family.empty());
    ++(m.closed ? closed : open);
  }
  EXPECT_GE(open, 36);
  EXPECT_GE(closed, 4);
}

TEST(ModelLibrary, WrittenModelsReadBackToTheSameCounts) {
  Library library(TOLLGATE_REPOSITORY "/models");
  for (const auto& name : library.names(Library::Shelf::llm)) {
    SCOPED_TRACE(name);
    const LlmSpec m = library.model(name, {});
    const std::string text = to_yaml(*model_schema().write(m));
    const LlmSpec again = model_schema().read(*parse_yaml(text, "written.yaml"), "");
    EXPECT_EQ(to_yaml(*model_schema().write(again)), text);
    EXPECT_EQ(count_parameters(again).total(), count_parameters(m).total());
    EXPECT_EQ(count_parameters(again).mtp, count_parameters(m).mtp);
    EXPECT_EQ(count_parameters(again).active(true), count_parameters(m).active(true));
    EXPECT_EQ(sequence_bytes(again, again.precision, 1e5).total(),
              sequence_bytes(m, m.precision, 1e5).total());
    EXPECT_EQ(weight_bytes(again, again.precision).total(), weight_bytes(m, m.precision).total());
  }
}

TEST(ModelLibrary, RemembersWhatItRead) {
  Library library(TOLLGATE_REPOSITORY "/models");
  library.model("DeepSeek-V3.2", {});
  ASSERT_EQ(library.files_read().size(), 1u);
  EXPECT_THAT(library.files_read().begin()->first, HasSubstr("DeepSeek-V3.2.yaml"));
  EXPECT_EQ(library.files_read().begin()->second.size(), 32u);
}

TEST(ModelLibrary, SuggestsTheNearestName) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Place asked{"scenario.yaml", 3, 12};
  EXPECT_THAT(
      sentence_of([&] { library.model("DeepSeek-V3.22", asked); }),
      testing::AllOf(HasSubstr("scenario.yaml:3:12: "), HasSubstr("Did you mean 'DeepSeek-V3.2'")));
}

}  // namespace
}  // namespace tollgate
