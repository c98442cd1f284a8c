// bench/published/serving.csv: rows that others state are complete and can be predicted.
#include <gtest/gtest.h>

#include <set>

#include "sim/base/file.h"
#include "sim/study/measured_row.h"

namespace tollgate {
namespace {

const std::string path = TOLLGATE_REPOSITORY "/bench/published/serving.csv";

TEST(PublishedServing, EveryRowIsADeploymentOfTheLibrary) {
  Library library(TOLLGATE_REPOSITORY "/models");
  RowResolver resolver(library);
  const CsvTable table = CsvTable::parse(read_text_file(path, 1 << 20), path);
  ASSERT_GT(table.rows(), 100u);
  std::set<std::string> ids;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const MeasuredRow row = measured_row(table, i);
    EXPECT_TRUE(ids.insert(row.id).second) << row.id << " is there twice";
    EXPECT_EQ(resolver.resolve(row).why, "") << row.id;
    EXPECT_GT(row.tpot, 0) << row.id;
    EXPECT_NE(table.text(i, "source"), "") << row.id;
    const int gpus =
        row.mode == "agg" ? row.tensor * row.data_attention : row.prefill_gpus + row.decode_gpus;
    EXPECT_EQ(table.text(i, "gpus"), std::to_string(gpus)) << row.id;
  }
}

/// Little's law: users over the time of a request, which is at least all its tokens but the first.
/// Guards against figures copied from the wrong line; 5 % for what starts and ends a run.
TEST(PublishedServing, ThroughputAndLatencyOfARowAgree) {
  const CsvTable table = CsvTable::parse(read_text_file(path, 1 << 20), path);
  int checked = 0;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const MeasuredRow row = measured_row(table, i);
    if (table.text(i, "total_tok_s_gpu").empty()) continue;
    const double stated = std::stod(table.text(i, "total_tok_s_gpu"));
    const double gpus = std::stod(table.text(i, "gpus"));
    const double answer = row.length_factor * row.output;
    const double time = row.ttft + (answer - 1) * row.tpot;
    const double most = row.concurrency * (row.length_factor * row.input + answer) / time / gpus;
    EXPECT_LE(stated, 1.05 * most) << row.id;
    ++checked;
  }
  EXPECT_GT(checked, 100);
}

}  // namespace
}  // namespace tollgate
