#include "sim/report/text_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "sample_result.h"
#include "sim/report/number_format.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string report(const RunResult& result, RenderOptions options = {}) {
  return text_report(result, options);
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n');
  return text.substr(text.rfind("\n\n", end) + 2, end);
}

TEST(TextReport, ListsTheCheapestFirstAndWhatDoesNotFitLast) {
  const std::string text = report(sample::result());
  const std::size_t table = text.find("candidate");
  const std::size_t sparse = text.find("Sparse-671B", table),
                    dense = text.find("Dense-405B", table), big = text.find("Big", table);
  EXPECT_LT(sparse, dense);
  EXPECT_LT(dense, big);
  EXPECT_THAT(text, HasSubstr("does not fit: weights need 88 GB per GPU, of 22 GB usable."));
  EXPECT_THAT(text, HasSubstr("12.0B active per token"))
      << "a mixture is one without a routing, too";
}

TEST(TextReport, SaysTheDateOfEveryPrice) {
  const std::string text = report(sample::result());
  EXPECT_THAT(text, HasSubstr("H200-SXM 2.00 USD per GPU-hour (rent-3yr, 2026-10, a price list)"));
  EXPECT_THAT(text, HasSubstr("price of"));
  RunResult one = sample::result();
  one.candidates.erase(one.candidates.begin() + 1);
  one.cheapest = 1;
  EXPECT_THAT(report(one), HasSubstr("USD/M tokens (2026-10)"));
}

TEST(TextReport, FitsTheWidth) {
  RunResult result = sample::result();
  result.candidates[0].assumptions = {std::string(40, 'x') + " " + std::string(50, 'y') + " " +
                                      std::string(60, 'z')};
  RenderOptions options;
  options.width = 100;
  std::istringstream lines(report(result, options));
  for (std::string line; std::getline(lines, line);) {
    if (line.find("H200-SXM  ") == std::string::npos) {
      EXPECT_LE(display_width(line), 120u) << line;
    }
    EXPECT_TRUE(line.empty() || line.back() != ' ') << "trailing space: " << line;
  }
}

TEST(TextReport, ColourIsOffUnlessAskedFor) {
  EXPECT_THAT(report(sample::result()), Not(HasSubstr("\x1b")));
  RenderOptions options;
  options.colour = true;
  EXPECT_THAT(report(sample::result(), options), HasSubstr("\x1b["));
}

TEST(TextReport, NamesCannotCommandTheTerminal) {
  RunResult result = sample::result();
  result.candidates[0].name = "\x1b[31mred\n";
  result.question = "a\tb\xc2\x9b";
  const std::string text = report(result);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b")));
  EXPECT_THAT(text, HasSubstr("\\x1b[31mred\\x0a"));
}

TEST(TextReport, MarksAppearOnlyWhereProvenancesDiffer) {
  RunResult result = sample::result();
  EXPECT_THAT(report(result), Not(HasSubstr("48.0 ms?")));
  result.candidates[0].tpot.provenance = Provenance::assumed;
  EXPECT_THAT(report(result), HasSubstr("48.0 ms?"));
  EXPECT_THAT(report(result), HasSubstr("? rests on an assumption"));
}

TEST(TextReport, AnAssumptionIsPrintedOnce) {
  const std::string text = report(sample::result());
  const std::string sentence = "Everything is assumed.";
  const std::size_t first = text.find(sentence);
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find(sentence, first + 1), std::string::npos);
  EXPECT_THAT(text, HasSubstr("[1]"));
}

TEST(TextReport, BadNumbersAreNeverPrinted) {
  RunResult result = sample::result();
  for (CandidateResult& c : result.candidates) {
    c.tpot.value = std::numeric_limits<double>::quiet_NaN();
    c.operators.push_back(
        {"decode", "x", std::numeric_limits<double>::infinity(), "", Provenance::fitted});
  }
  result.cheapest = -1;
  const std::string text = report(result);
  EXPECT_THAT(text, Not(HasSubstr("nan")));
  EXPECT_THAT(text, Not(HasSubstr("inf ")));
}

TEST(TextReport, BriefIsTheTableAndTheVerdict) {
  RenderOptions options;
  options.brief = true;
  const std::string text = report(sample::result(), options);
  EXPECT_THAT(text, Not(HasSubstr("memory per GPU")));
  EXPECT_THAT(last_line(text), HasSubstr("cheapest"));
}

TEST(Verdict, ComparesMixtureWithDense) {
  EXPECT_EQ(
      verdict(sample::result()),
      "Sparse-671B is the cheapest that meets the target: 0.500 USD per million output tokens "
      "(P10-P90 "
      "0.400-0.625, GPU price of 2026-10), 3.0 times cheaper than the dense Dense-405B (1.50).");
}

TEST(Verdict, SaysWhenTheBandsOverlap) {
  RunResult result = sample::result();
  result.candidates[0].usd_per_million_output_tokens = sample::band(0.6);
  EXPECT_THAT(verdict(result), HasSubstr("overlap"));
  EXPECT_THAT(verdict(sample::result()), Not(HasSubstr("overlap")));
}

TEST(Verdict, PrefersARivalOfTheOtherKind) {
  RunResult result = sample::result();
  result.candidates.push_back(sample::running("Sparse-2", 0.7, true));
  EXPECT_THAT(verdict(result), HasSubstr("the dense Dense-405B"));
}

TEST(Verdict, LeavesOutABandThatIsAPoint) {
  RunResult result = sample::result();
  result.candidates[2].usd_per_million_output_tokens = exactly(0.5);
  EXPECT_THAT(verdict(result),
              HasSubstr("0.500 USD per million output tokens (GPU price of 2026-10), 3.0 times"));
  result.candidates[0].usd_per_million_output_tokens = exactly(0.5);
  EXPECT_THAT(verdict(result), HasSubstr(", the same as the dense Dense-405B."));
}

TEST(Verdict, SaysWhyNothingIsFeasible) {
  RunResult result = sample::result();
  result.cheapest = -1;
  EXPECT_THAT(verdict(result), HasSubstr("No candidate meets the target"));
  for (CandidateResult& c : result.candidates) c.fits = false;
  EXPECT_THAT(verdict(result), HasSubstr("No candidate fits"));
}

TEST(TextReport, RoutingShowsBothPhasesAndStepPercentiles) {
  RunResult result = sample::result();
  for (CandidateResult& c : result.candidates) {
    if (c.routing.empty()) continue;
    c.routing[0].decode = sample::phase(512);
    c.routing[0].prefill = sample::phase(4096);
    c.decode_step = {0.040, 0.039, 0.043};
    c.prefill_step = {0.080, 0.079, 0.085};
  }
  RenderOptions options;
  options.width = 2000;
  const std::string text = text_report(result, options);
  EXPECT_THAT(text,
              HasSubstr("has 1.21 x the mean load (P50 1.20, P95 1.40, most 1.60) and reads"));
  EXPECT_THAT(text, HasSubstr("20.0 MB on the busiest network card (P95 23.0 MB)"));
  EXPECT_THAT(text, HasSubstr("Prompts: 4,096 tokens"));
  EXPECT_THAT(text, HasSubstr("step without prompts 40.0 ms on average, P50 39.0 ms, P95 43.0 ms"));
}

}  // namespace
}  // namespace tollgate
