// models/traffic as shipped: means of the published traces, hit rates, attributions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "sim/spec/library.h"

namespace tollgate {
namespace {

Library library() { return Library(std::string(TOLLGATE_REPOSITORY) + "/models"); }

TEST(ShippedTraffic, MeansAreThoseOfTheTraces) {
  struct Case {
    const char* name;
    double input, output;
  };
  const Case cases[] = {{"chat", 1154.70, 211.13},
                        {"code", 2047.85, 27.88},
                        {"reasoning", 1597.1, 1942.8},
                        {"summarisation", 2588.08, 291.43},
                        {"long-context", 12035.06, 342.62},
                        {"synthetic-long", 15325.48, 149.12},
                        {"sharegpt", 862.30, 664.95},
                        {"agentic-tools", 4736.15, 132.46},
                        {"agentic-appworld", 94903.04, 517.33}};
  Library books = library();
  for (const Case& c : cases) {
    const RequestClass traffic = books.traffic(c.name, {});
    EXPECT_NEAR(traffic.input.average() / c.input, 1, 0.05) << c.name;
    EXPECT_NEAR(traffic.output.average() / c.output, 1, 0.05) << c.name;
  }
}

TEST(ShippedTraffic, EveryClassIsSourcedAndNamedAsItsFile) {
  Library books = library();
  const auto names = books.names(Library::Shelf::traffic);
  EXPECT_GE(names.size(), 9u);
  for (const char* kind : {"chat", "code", "reasoning", "long-context", "summarisation",
                           "agentic-tools", "agentic-heavy", "agentic-research", "batch-8k-1k"}) {
    EXPECT_THAT(names, testing::Contains(kind));
  }
  for (const auto& name : names) {
    const RequestClass traffic = books.traffic(name, {});
    EXPECT_EQ(traffic.name, name);
    ASSERT_FALSE(traffic.sources.empty()) << name;
    EXPECT_GE(traffic.output.average(), 1) << name;
    EXPECT_GE(traffic.input.average(), 1) << name;
    bool hit_rate_explained = false;
    const char* const grades[] = {"measured: ", "fitted: ", "derived: ", "assumed: "};
    for (const Source& source : traffic.sources) {
      hit_rate_explained |= source.what.find("prefix_hit_rate") != std::string::npos ||
                            source.what.find("found in the cache") != std::string::npos;
      EXPECT_TRUE(std::any_of(std::begin(grades), std::end(grades),
                              [&](const char* grade) { return source.what.starts_with(grade); }))
          << name << ": " << source.what;
    }
    EXPECT_TRUE(hit_rate_explained) << name;
  }
}

TEST(ShippedTraffic, AzureTracesCarryTheirLicence) {
  Library books = library();
  for (const char* name : {"chat", "code"}) {
    EXPECT_THAT(books.traffic(name, {}).sources.front().from, testing::HasSubstr("CC-BY 4.0"));
  }
}

}  // namespace
}  // namespace tollgate
