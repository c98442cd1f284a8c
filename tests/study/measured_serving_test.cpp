// Holds the predictions against public measurements (SemiAnalysis InferenceX and NVIDIA runs as
// carried by ai-dynamo/aiconfigurator 095f58a5, silicon_sample.csv; clean aggregated rows).
// The data is not part of the repository: without it the test skips.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "kernels/registry.h"
#include "sim/base/file.h"
#include "sim/study/validation.h"

namespace tollgate {
namespace {

const std::string data = TOLLGATE_SHARED "/data/serving/measured_serving.csv";

Validation clean(const std::string& mode) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const CsvTable table = CsvTable::parse(read_text_file(data, 1 << 26), data);
  return validate(table,
                  {{"mode", {mode}},
                   {"exact_dup_of", {""}},
                   {"flags", {"", "gpu_count_fixed"}},
                   {"spec_decoding", {"none"}}},
                  {"source_class"}, library, kernels::find_backend("auto"));
}

TEST(MeasuredServing, PublicRunsAreWithinTheStatedErrorAndBand) {
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "the data set " << data << " is not here";
  const Validation v = clean("agg");
  ASSERT_GE(v.all.rows, 1000) << "too few rows for a statement";
  EXPECT_GE(v.all.predicted, 0.98 * v.all.rows);
  for (const ErrorSummary* e : {&v.all.tpot, &v.all.throughput}) {
    EXPECT_LE(e->mape, 0.12);
    EXPECT_LE(e->median_ape, 0.08);
  }
  EXPECT_LE(v.all.ttft.mape, 0.25);
  EXPECT_LE(v.all.ttft.median_ape, 0.15);
  for (const ErrorSummary* e : {&v.all.tpot, &v.all.ttft, &v.all.throughput}) {
    EXPECT_GE(e->coverage, 0.75);
    EXPECT_LE(e->coverage, 0.85);
  }
  // Runs whose client and server options are published.
  const ValidationGroup& known = v.groups.at(0);
  ASSERT_EQ(known.key.at(0), "inferencex");
  EXPECT_LE(known.tpot.mape, 0.13);
  EXPECT_LE(known.ttft.mape, 0.28);
}

TEST(MeasuredServing, SplitWorkersAreWithinTheStatedError) {
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "the data set " << data << " is not here";
  const Validation v = clean("disagg");
  ASSERT_GE(v.all.rows, 50);
  EXPECT_EQ(v.all.predicted, v.all.rows);
  EXPECT_LE(v.all.tpot.mape, 0.20);
  EXPECT_LE(v.all.ttft.mape, 0.35);
}

}  // namespace
}  // namespace tollgate
