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

TEST(MeasuredServing, PublicRunsAreWithinTheStatedErrorAndBand) {
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "the data set " << data << " is not here";
  Library library(TOLLGATE_REPOSITORY "/models");
  const CsvTable table = CsvTable::parse(read_text_file(data, 1 << 26), data);
  const Validation v =
      validate(table, {{"mode", "agg"}, {"exact_dup_of", ""}, {"spec_decoding", "none"}}, {},
               library, kernels::find_backend("auto"));
  std::vector<const RowPrediction*> clean;
  for (const RowPrediction& p : v.rows) {
    const std::string& flags = table.text(p.row.line, "flags");
    if (flags.empty() || flags == "gpu_count_fixed") clean.push_back(&p);
  }
  ASSERT_GE(clean.size(), 1000u) << "too few rows for a statement";
  const ErrorSummary tpot = summarise_errors(clean, &RowPrediction::tpot, &MeasuredRow::tpot);
  std::printf("%zu rows, %d predicted: TPOT mean %.1f %%, median %.1f %%, %.1f %% inside P10-P90\n",
              clean.size(), tpot.rows, 100 * tpot.mape, 100 * tpot.median_ape, 100 * tpot.coverage);
  EXPECT_GE(tpot.rows, 0.98 * static_cast<double>(clean.size()));
  EXPECT_LE(tpot.mape, 0.18);
  EXPECT_LE(tpot.median_ape, 0.10);
  EXPECT_GE(tpot.coverage, 0.75);
  EXPECT_LE(tpot.coverage, 0.90);
}

}  // namespace
}  // namespace tollgate
