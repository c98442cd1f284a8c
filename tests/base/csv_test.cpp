#include "sim/base/csv.h"

#include <gtest/gtest.h>

namespace tollgate {
namespace {

std::string error_of(const std::string& text) {
  try {
    CsvTable::parse(text, "a.csv");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Csv, ReadsQuotesAndBothLineEnds) {
  const CsvTable t = CsvTable::parse("a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n\n2,\n", "a.csv");
  ASSERT_EQ(t.rows(), 2u);
  EXPECT_EQ(t.text(0, "a"), "1");
  EXPECT_EQ(t.text(0, "b"), "x, \"y\"\nz");
  EXPECT_EQ(t.text(1, "b"), "");
  EXPECT_EQ(t.text(1, "c"), "");
  EXPECT_EQ(t.place(1, "b").line, 5) << "lines inside quotes count";
}

TEST(Csv, WritesWhatItReads) {
  for (const std::string text : {"plain", "a,b", "say \"so\"", "two\nlines", ""}) {
    const CsvTable t = CsvTable::parse("k,v\n1," + csv_field(text) + "\n", "a.csv");
    EXPECT_EQ(t.text(0, "v"), text);
  }
}

TEST(Csv, NamesFileAndLineOfAMistake) {
  EXPECT_EQ(error_of(""), "a.csv:1:1: the file is empty.");
  EXPECT_EQ(error_of("a,a\n"), "a.csv:1:2: the header names column 'a' twice.");
  EXPECT_EQ(error_of("a,\n"), "a.csv:1:2: a column of the header has no name.");
  EXPECT_EQ(error_of("a,b\n1,2\n1\n"), "a.csv:3:1: the line has 1 fields, the header 2.");
  EXPECT_EQ(error_of("a,b\n1,\"2\n"), "a.csv:2:1: a quoted field does not end.");
}

}  // namespace
}  // namespace tollgate
