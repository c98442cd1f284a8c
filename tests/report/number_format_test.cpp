#include "sim/report/number_format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "sim/report/text_table.h"
#include "sim/report/version.h"

namespace tollgate {
namespace {

TEST(NumberFormat, KeepsAboutThreeDigits) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(3.456), "3.46");
  EXPECT_EQ(count_text(345.6), "346");
  EXPECT_EQ(count_text(1234567.8), "1,234,568");
  EXPECT_EQ(count_text(std::nan("")), "-");
  EXPECT_EQ(batch_text(8), "8");
  EXPECT_EQ(batch_text(1.5), "1.50");
  EXPECT_EQ(batch_text(77.4), "77");
}

TEST(NumberFormat, PicksAReadableUnit) {
  EXPECT_EQ(seconds_text(0.0482), "48.2 ms");
  EXPECT_EQ(seconds_text(0.00021), "210 us");
  EXPECT_EQ(seconds_text(1.234), "1.23 s");
  EXPECT_EQ(seconds_text(0.99999), "1.00 s");
  EXPECT_EQ(seconds_text(300), "5.00 min");
  EXPECT_EQ(bytes_text(84.2e9), "84.2 GB");
  EXPECT_EQ(bytes_text(70272), "70.3 kB");
  EXPECT_EQ(parameters_text(671e9), "671B");
  EXPECT_EQ(parameters_text(1.57e12), "1.57T");
  EXPECT_EQ(parameters_text(350e6), "350M");
}

TEST(NumberFormat, MoneyHasCents) {
  EXPECT_EQ(money_text(0), "0");
  EXPECT_EQ(money_text(0.0959), "0.0959");
  EXPECT_EQ(money_text(0.9999), "1.00");
  EXPECT_EQ(money_text(5.5), "5.50");
  EXPECT_EQ(money_text(12345.6), "12,346");
}

TEST(NumberFormat, SharesAndRatios) {
  EXPECT_EQ(percent_text(0.374), "37 %");
  EXPECT_EQ(percent_text(0.001), "<1 %");
  EXPECT_EQ(percent_text(0), "0 %");
  EXPECT_EQ(ratio_text(1.046), "1.05");
  EXPECT_EQ(ratio_text(7.94), "7.9");
  EXPECT_EQ(ratio_text(41.2), "41");
}

TEST(TextTable, AlignsAndDropsTrailingSpaces) {
  TextTable table;
  table.column("name", TextTable::Align::left);
  table.column("n", TextTable::Align::right, "group");
  table.column("m", TextTable::Align::right, "group");
  table.row({"a", "1", "22"});
  table.note({"bb"}, "a long remark");
  EXPECT_EQ(table.head(), (std::vector<std::string>{"      group", "name  n   m"}));
  EXPECT_EQ(table.body(), (std::vector<std::string>{"a     1  22", "bb    a long remark"}));
}

TEST(Wrapped, BreaksAtSpacesButNotAtGlue) {
  EXPECT_EQ(wrapped("aa bb cc", 5, 0, 2), "aa bb\n  cc");
  EXPECT_EQ(wrapped("aa " + glued("bb cc"), 6, 0, 1), "aa\n bb cc");
  EXPECT_EQ(wrapped("", 10, 0, 0), "");
}

TEST(Version, IsTheProjects) {
  std::ifstream file(std::string(TOLLGATE_REPOSITORY) + "/CMakeLists.txt");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find("project(tollgate VERSION " + std::string(tool_version) + " "),
            std::string::npos);
}

}  // namespace
}  // namespace tollgate
