// Proves: backends are found by name, by environment and by priority, and errors are sentences.

#include "kernels/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace tollgate::kernels {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

class Registry : public testing::Test {
 protected:
  void SetUp() override { unsetenv("TOLLGATE_BACKEND"); }
  void TearDown() override { unsetenv("TOLLGATE_BACKEND"); }
};

std::string error_for(std::string_view choice) {
  try {
    find_backend(choice);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(Registry, PriorityEndsWithTheReference) {
  std::vector<std::string_view> names;
  for (const RoutingBackend* backend : backends()) names.push_back(backend->name());
  EXPECT_THAT(names, testing::ElementsAre("cuda", "tbb", "reference"));
}

TEST_F(Registry, FindsByName) {
  EXPECT_EQ(find_backend("tbb").name(), "tbb");
  EXPECT_EQ(find_backend("reference").name(), "reference");
}

TEST_F(Registry, AutoTakesTheFirstAvailable) {
  const bool cuda = backends().front()->available().ok;
  EXPECT_EQ(find_backend("auto").name(), cuda ? "cuda" : "tbb");
}

TEST_F(Registry, EnvironmentDecidesAutoOnly) {
  setenv("TOLLGATE_BACKEND", "reference", 1);
  EXPECT_EQ(find_backend("auto").name(), "reference");
  EXPECT_EQ(find_backend("tbb").name(), "tbb");
  setenv("TOLLGATE_BACKEND", "", 1);
  EXPECT_NE(find_backend("auto").name(), "reference");
}

TEST_F(Registry, UnknownNamesAreAnsweredWithTheKnownOnes) {
  EXPECT_THAT(error_for("opencl"), AllOf(HasSubstr("\"opencl\""),
                                         HasSubstr("auto, cuda, tbb, reference"), EndsWith(".")));
  setenv("TOLLGATE_BACKEND", "metal", 1);
  EXPECT_THAT(error_for("auto"), AllOf(HasSubstr("\"metal\""), HasSubstr("TOLLGATE_BACKEND")));
}

TEST_F(Registry, UnavailableBackendsSayWhy) {
  const Availability cuda = backends().front()->available();
  if (cuda) GTEST_SKIP() << "CUDA is available here; there is nothing unavailable to ask for.";
  EXPECT_FALSE(cuda.reason.empty());
  EXPECT_THAT(error_for("cuda"), AllOf(HasSubstr("cannot run here"), HasSubstr(cuda.reason)));
}

}  // namespace
}  // namespace tollgate::kernels
