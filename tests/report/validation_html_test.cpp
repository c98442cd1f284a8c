#include "sim/report/validation_html.h"

#include <gtest/gtest.h>

namespace tollgate {
namespace {

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

Validation sample() {
  Validation v;
  v.by = {"model"};
  for (int i = 0; i < 3; ++i) {
    RowPrediction p;
    p.row.backend = i == 2 ? "sglang" : "vllm";
    p.row.tpot = 0.01 * (i + 1);
    p.row.ttft = 0.2 * (i + 1);
    p.predicted = true;
    p.tpot = {0.011 * (i + 1), 0.009, 0.04};
    p.ttft = {0.25 * (i + 1), 0.1, 2};
    v.rows.push_back(p);
  }
  RowPrediction bad;
  bad.note = "no model of models/llm is called '<x> & y'";
  v.rows.push_back(bad);
  v.all.rows = 4;
  v.all.predicted = 3;
  v.all.tpot = {3, 0.1, 0.1, 0.1, 0.1, 1};
  ValidationGroup g = v.all;
  g.key = {"a<b"};
  v.groups = {g};
  return v;
}

TEST(ValidationHtml, IsOnePageThatFetchesNothing) {
  const std::string page = validation_html(sample(), "Predicted against m.csv");
  EXPECT_EQ(page.find("<!doctype html>"), 0u);
  EXPECT_EQ(times(page, "http"), 1u) << "the namespace of SVG";
  EXPECT_EQ(times(page, "<script"), 0u);
  EXPECT_EQ(times(page, "src="), 0u);
  for (const char* tag : {"table", "tr", "td", "th", "svg", "ul", "li", "div"}) {
    EXPECT_EQ(times(page, std::string("<") + tag + ">") + times(page, std::string("<") + tag + " "),
              times(page, std::string("</") + tag + ">"))
        << tag;
  }
}

TEST(ValidationHtml, EscapesWhatTheTableSays) {
  const std::string page = validation_html(sample(), "a & b");
  EXPECT_NE(page.find("a&lt;b"), std::string::npos);
  EXPECT_NE(page.find("&lt;x&gt; &amp; y"), std::string::npos);
  EXPECT_EQ(page.find("<x>"), std::string::npos);
}

/// Three points in each of two panels; a row without a prediction has none.
TEST(ValidationHtml, PlotsEveryPredictedRowOnce) {
  const std::string svg = calibration_svg(sample().rows);
  EXPECT_EQ(times(svg, "h0"), 6u);
  EXPECT_EQ(times(svg, "<path"), 4u) << "one for each engine and panel";
  EXPECT_EQ(times(svg, "nan") + times(svg, "inf"), 0u);
}

TEST(ValidationHtml, NothingPredictedGivesEmptyPanels) {
  const std::string svg = calibration_svg({});
  EXPECT_EQ(times(svg, "<path"), 0u);
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
}

}  // namespace
}  // namespace tollgate
