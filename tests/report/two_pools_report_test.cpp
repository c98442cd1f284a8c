#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sample_result.h"
#include "sim/report/csv_report.h"
#include "sim/report/json_report.h"
#include "sim/report/text_report.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;

/// Two prefill engines of 8 GPUs and three decode engines of 16.
RunResult two_pools() {
  RunResult result = sample::result();
  CandidateResult& c = result.candidates[0];
  DisaggregationResult d;
  d.prefill.instances = 2;
  d.prefill.gpus = d.prefill.tensor = 8;
  d.prefill.memory = c.memory;
  d.prefill.memory.weights = exactly(99e9);
  d.prefill.largest_batch = exactly(40);
  d.prefill.sequences = 3;
  d.prefill.busy = 0.8;
  d.prefill.most_requests_per_second = 21;
  d.decode = d.prefill;
  d.decode.instances = 3;
  d.decode.gpus = d.decode.data_attention = d.decode.expert = 16;
  d.decode.tensor = 1;
  d.decode.memory = c.memory;
  d.decode.most_requests_per_second = 17.5;
  d.limiting = "decode";
  d.link = "InfiniBand";
  d.link_requests_per_second = 400;
  d.bytes_per_prompt = 343e6;
  d.seconds_per_prompt = 0.00686;
  d.sending = 0.0127;
  c.disaggregation = d;
  c.gpus = d.prefill.all_gpus() + d.decode.all_gpus();
  return result;
}

TEST(TwoPoolsReport, TextNamesTheLimitingPoolAndTheAcceleratorsOfBoth) {
  RenderOptions options;
  options.width = 500;  // no line is wrapped
  const std::string text = text_report(two_pools(), options);
  EXPECT_THAT(text, HasSubstr("prefill 2 x TP8, decode 3 x DP16 EP16 (16 GPUs and 48 GPUs)"));
  EXPECT_THAT(text, HasSubstr("limited by the decode pool: prefill could carry 21.0 requests/s, "
                              "decode 17.5 requests/s, the links 400 requests/s"));
  EXPECT_THAT(text, HasSubstr("343 MB on the busiest link, takes 6.86 ms, with waiting 12.7 ms"));
  EXPECT_THAT(text, HasSubstr("weights 99.0 GB"));
  EXPECT_THAT(text, HasSubstr("weights 88.0 GB"));
}

TEST(TwoPoolsReport, JsonHasBothPools) {
  const auto json = nlohmann::json::parse(json_report(two_pools()));
  const auto& d = json["candidates"][0]["disaggregation"];
  EXPECT_EQ(d["prefill"]["instances"], 2);
  EXPECT_EQ(d["prefill"]["gpus_per_instance"], 8);
  EXPECT_EQ(d["prefill"]["memory"]["weights"]["value"], 99e9);
  EXPECT_EQ(d["decode"]["expert"], 16);
  EXPECT_EQ(d["limiting"], "decode");
  EXPECT_EQ(d["transfer"]["seconds_with_waiting"], 0.0127);
  EXPECT_TRUE(json["candidates"][1]["disaggregation"].is_null());
}

TEST(TwoPoolsReport, CsvHasBothPools) {
  const std::string csv = csv_report(two_pools());
  const std::string header = csv.substr(0, csv.find("\r\n"));
  for (const char* column : {"prefill_instances", "decode_gpus_per_instance", "limiting_pool",
                             "prefill_memory_weights_bytes", "transfer_seconds"}) {
    EXPECT_THAT(header, HasSubstr(column));
  }
  EXPECT_THAT(csv, HasSubstr(",decode,InfiniBand,343000000,0.0127,"));
}

}  // namespace
}  // namespace tollgate
