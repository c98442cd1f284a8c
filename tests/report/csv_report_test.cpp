#include "sim/report/csv_report.h"

#include <gtest/gtest.h>

#include "sample_result.h"

namespace tollgate {
namespace {

/// A reader of RFC 4180, independent of the writer.
std::vector<std::vector<std::string>> read_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1);
  std::string field;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      field += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      rows.back().push_back(field), field.clear();
    } else if (!quoted && c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
      rows.back().push_back(field), field.clear();
      rows.emplace_back();
      ++i;
    } else {
      field += c;
    }
  }
  rows.pop_back();
  return rows;
}

std::string cell(const std::vector<std::vector<std::string>>& rows, std::size_t row,
                 const std::string& column) {
  for (std::size_t i = 0; i < rows[0].size(); ++i) {
    if (rows[0][i] == column) return rows[row][i];
  }
  ADD_FAILURE() << "no column " << column;
  return "";
}

TEST(CsvReport, HasOneRowPerCandidateAndUnitsInTheHeader) {
  const auto rows = read_csv(csv_report(sample::result()));
  ASSERT_EQ(rows.size(), 4u);
  for (const auto& row : rows) EXPECT_EQ(row.size(), rows[0].size());
  EXPECT_EQ(cell(rows, 1, "candidate"), "Dense-405B");
  EXPECT_EQ(cell(rows, 3, "usd_per_million_output_tokens"), "0.5");
  EXPECT_EQ(cell(rows, 3, "usd_per_million_output_tokens_p90"), "0.625");
  EXPECT_EQ(cell(rows, 3, "tpot_seconds"), "0.048");
  EXPECT_EQ(cell(rows, 3, "price_date"), "2026-10");
}

TEST(CsvReport, WhatIsNotKnownIsEmpty) {
  const auto rows = read_csv(csv_report(sample::result()));
  EXPECT_EQ(cell(rows, 2, "fits"), "false");
  EXPECT_EQ(cell(rows, 2, "tpot_seconds"), "");
  EXPECT_EQ(cell(rows, 2, "usd_per_million_output_tokens_p10"), "");
  EXPECT_EQ(cell(rows, 2, "memory_weights_bytes"), "88000000000");
}

TEST(CsvReport, QuotesWhatWouldBreakARow) {
  RunResult result = sample::result();
  result.candidates[0].name = "a \"b\", c\r\nd";
  const auto rows = read_csv(csv_report(result));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(cell(rows, 1, "candidate"), "a \"b\", c\r\nd");
}

}  // namespace
}  // namespace tollgate
