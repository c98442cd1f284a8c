#include "sim/serving/workload/trace_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "sim/base/error.h"
#include "sim/serving/workload/average_traffic.h"
#include "sim/serving/workload/prefix_streams.h"
#include "sim/serving/workload/traffic_generator.h"

namespace tollgate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* azure =
    "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2023-11-16 23:59:59.9799600,374,44\n"
    "2023-11-17 00:00:01.4800000,396,109\n"
    "2023-11-17 00:00:01.4800000,879,55\n";
constexpr const char* azure_2024 =
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    "2024-05-10 00:00:00.009930+00:00,2162,5\r\n"
    "2024-05-10 00:00:00.017335+00:00,2399,6\r\n";
constexpr const char* mooncake =
    "{\"timestamp\": 1000, \"input_length\": 1200, \"output_length\": 52, \"hash_ids\": [1, 2, "
    "3]}\n"
    "{\"timestamp\": 1500, \"input_length\": 1700, \"output_length\": 7, \"hash_ids\": [1, 2, 4, "
    "5]}\n"
    "{\"timestamp\": 1500, \"input_length\": 1024, \"output_length\": 3, \"hash_ids\": [1, 2]}\n"
    "{\"timestamp\": 4000, \"input_length\": 90, \"output_length\": 1, \"hash_ids\": [9]}\n"
    "{\"timestamp\": 4001, \"input_length\": 2048, \"output_length\": 2, \"hash_ids\": [1, 2, 4, "
    "6]}\n";
constexpr const char* burstgpt =
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n"
    "45,ChatGPT,1087,0,1087,API log\n"
    "118.5,GPT-4,417,276,693,Conversation log\n";
constexpr const char* sharegpt =
    "arrival_s,input_tokens,output_tokens\n"
    "0.046927,2358,531\n"
    "0.347939,1034,769\n"
    "1e+00,1320,770.0\n";

RecordedTraffic parse(const std::string& text, TraceOptions options = {}) {
  return parse_trace(text, "trace", options);
}

std::string error_of(const std::string& text, TraceOptions options = {}) {
  try {
    parse(text, options);
  } catch (const InputError& e) {
    return e.what();
  }
  return "none";
}

TEST(trace_reader, reads_azure) {
  const RecordedTraffic r = parse(azure);
  EXPECT_EQ(r.format, TraceFormat::azure);
  EXPECT_THAT(r.table.arrival, ElementsAre(0, 1'500'040'000'000, 1'500'040'000'000));
  EXPECT_THAT(r.table.input, ElementsAre(374, 396, 879));
  EXPECT_THAT(r.table.output, ElementsAre(44, 109, 55));
  EXPECT_TRUE(r.table.stream.empty());
  EXPECT_THAT(parse(azure_2024).table.arrival, ElementsAre(0, 7'405'000'000));
}

TEST(trace_reader, reads_mooncake_and_its_prefixes) {
  const RecordedTraffic r = parse(mooncake);
  EXPECT_EQ(r.format, TraceFormat::mooncake);
  EXPECT_THAT(r.table.arrival, ElementsAre(0, ticks_per_second / 2, ticks_per_second / 2,
                                           3 * ticks_per_second, 3'001'000'000'000));
  EXPECT_THAT(r.table.stream, ElementsAre(0, 1, 0, 2, 3));
  EXPECT_THAT(r.table.shared, ElementsAre(1200, 1700, 1024, 90, 2048));
  ASSERT_EQ(r.table.streams.size(), 4u);
  EXPECT_EQ(r.table.streams[1].parent, 0);
  EXPECT_EQ(r.table.streams[1].branch, 1024);
  EXPECT_EQ(r.table.streams[2].parent, -1);
  EXPECT_EQ(r.table.streams[3].parent, 1);
  EXPECT_EQ(r.table.streams[3].branch, 3 * 512);
  // 0, 1024, all but the last token, 0, 1536 are found.
  EXPECT_DOUBLE_EQ(endless_hit_rate(r.table),
                   (1024 + 1023 + 1536) / (1200 + 1700 + 1024 + 90 + 2048.0));
}

TEST(trace_reader, reads_burstgpt_without_its_failures) {
  const RecordedTraffic r = parse(burstgpt);
  EXPECT_EQ(r.format, TraceFormat::burstgpt);
  EXPECT_EQ(r.failed, 1);
  EXPECT_THAT(r.table.arrival, ElementsAre(0, 113 * ticks_per_second + ticks_per_second / 2));
  EXPECT_THAT(r.table.output, ElementsAre(18, 276));
}

TEST(trace_reader, reads_sharegpt) {
  const RecordedTraffic r = parse(sharegpt);
  EXPECT_EQ(r.format, TraceFormat::sharegpt);
  EXPECT_THAT(r.table.arrival, ElementsAre(0, 301'012'000'000, 953'073'000'000));
  EXPECT_THAT(r.table.output, ElementsAre(531, 769, 770));
}

TEST(trace_reader, replays_faster_and_only_the_beginning) {
  TraceOptions o;
  o.speed = 2;
  EXPECT_EQ(parse(sharegpt, o).table.arrival[2], 953'073'000'000 / 2);
  o.requests = 2;
  EXPECT_EQ(parse(sharegpt, o).table.size(), 2);
  o = {};
  o.duration = 0.5;
  EXPECT_EQ(parse(sharegpt, o).table.size(), 2);
}

TEST(trace_reader, says_what_is_wrong_and_where) {
  const std::string header = "arrival_s,input_tokens,output_tokens\n";
  EXPECT_EQ(error_of(""), "trace: the trace has no requests.");
  EXPECT_EQ(error_of(header), "trace: the trace has no requests.");
  EXPECT_EQ(error_of("a,b\n1,2\n"),
            "trace:1:1: the first line shows none of the formats azure, mooncake, burstgpt and "
            "sharegpt.");
  EXPECT_EQ(
      error_of("arrival_s,input_tokens\n0,1\n"),
      "trace:1:1: the trace has no column 'output_tokens'; it has 'arrival_s, input_tokens'.");
  EXPECT_EQ(error_of(header + "0,5,5\n\n1,5\n"),
            "trace:4:1: the line has 2 fields, but the header 3.");
  EXPECT_EQ(error_of(header + "0,5,5\nx,5,5\n"),
            "trace:3:1: arrival_s is 'x', which is not a time from 0 on.");
  EXPECT_EQ(error_of(header + "-1,5,5\n"),
            "trace:2:1: arrival_s is '-1', which is not a time from 0 on.");
  EXPECT_EQ(
      error_of(header + "0,5.5,5\n"),
      "trace:2:1: input_tokens is '5.5', which is not a whole number of tokens up to 100000000.");
  EXPECT_EQ(error_of(header + "0,0,5\n"), "trace:2:1: the request has no prompt tokens.");
  EXPECT_EQ(error_of(header + "0,5,0\n"), "trace:2:1: the request generates no tokens.");
  EXPECT_EQ(
      error_of(header + "2,5,5\n1.5,5,5\n"),
      "trace:3:1: the request comes 0.5 s before the one above it; a trace must be in order of "
      "arrival.");
  EXPECT_EQ(
      error_of(header + "0,5,5\n5000000,5,5\n"),
      "trace:3:1: the request comes more than 53 days after the first, beyond the simulator's "
      "clock; a higher 'speed' shortens that.");
  TraceOptions small;
  small.context = 1000;
  EXPECT_EQ(error_of(header + "0,900,200\n", small),
            "trace:2:1: the request needs 1100 tokens, but there is room for 1000.");
  EXPECT_EQ(
      error_of("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-13-01 00:00:00,1,1\n"),
      "trace:2:1: TIMESTAMP is '2023-13-01 00:00:00', which is not a date and time that there "
      "is.");
  EXPECT_EQ(error_of("TIMESTAMP,ContextTokens,GeneratedTokens\n12.5,1,1\n"),
            "trace:2:1: TIMESTAMP is '12.5', which is not a date and time such as 2023-11-16 "
            "18:17:03.98.");
  EXPECT_EQ(error_of("{\"timestamp\": 1, \"input_length\": 2}\n"),
            "trace:1:1: the line has no 'output_length'.");
  EXPECT_EQ(error_of("{\"timestamp\": 1.5, \"input_length\": 2, \"output_length\": 2}\n"),
            "trace:1:1: timestamp is '1.5', which is not a whole number in range.");
  EXPECT_EQ(error_of("{\"timestamp\": 1,\n"), "trace:1:1: the line is not a JSON object.");
  EXPECT_EQ(error_of("arrival_s,input_tokens,output_tokens,hash_ids_x\n"
                     "0,1,1,5\n"),
            "trace:1:1: the column 'hash_ids_x' does not say how many tokens a hash is for, as "
            "hash_ids_512 does.");
}

/// Bytes changed, cut out and doubled: a table that the engine takes, or one sentence with the file
/// and, but for an empty trace, the line.
TEST(trace_reader, broken_traces_are_read_or_refused) {
  std::mt19937 g(1);
  const std::string bytes = "0123456789,.-:\"{}[] \n\r\teE\0x\xff";
  int read = 0, refused = 0;
  for (const char* seed : {azure, azure_2024, mooncake, burstgpt, sharegpt}) {
    for (int i = 0; i < 20'000; ++i) {
      std::string text = seed;
      for (unsigned changes = 1 + g() % 4; changes > 0 && !text.empty(); --changes) {
        const std::size_t at = g() % text.size(), length = g() % 20;
        switch (g() % 4) {
          case 0:
            text[at] = bytes[g() % bytes.size()];
            break;
          case 1:
            text.erase(at, length);
            break;
          case 2:
            text.insert(at, text.substr(g() % text.size(), length));
            break;
          case 3:
            text.resize(at);
            break;
        }
      }
      try {
        const RequestTable t = parse(text).table;
        ++read;
        ASSERT_GT(t.size(), 0);
        for (std::size_t r = 0; r < t.input.size(); ++r) {
          ASSERT_GE(t.input[r], 1);
          ASSERT_GE(t.output[r], 1);
          ASSERT_GE(t.arrival[r], r > 0 ? t.arrival[r - 1] : 0);
          ASSERT_LE(t.arrival[r], latest_arrival);
          ASSERT_LE(t.shared.empty() ? 0 : t.shared[r], t.input[r]);
        }
      } catch (const InputError& e) {
        ++refused;
        const std::string what = e.what();
        ASSERT_TRUE(what.starts_with("trace:")) << what;
        ASSERT_EQ(what.find('\n'), std::string::npos) << what;
        ASSERT_TRUE(what.ends_with(".")) << what;
      }
    }
  }
  EXPECT_GT(read, 4'000);
  EXPECT_GT(refused, 20'000);
}

std::filesystem::path recorded(const char* name) {
  return std::filesystem::path(TOLLGATE_SHARED) / "data/traffic" / name;
}

/// Known of the traces: rows, means, span, and what a prefix cache without end finds.
TEST(trace_reader, reads_the_public_traces) {
  struct Known {
    const char* file;
    std::int32_t rows;
    double input, output, seconds, hit_rate;
  };
  for (const Known& k : {Known{"azure2023_code.csv.gz", 8819, 2047.85, 27.883, 3435.9, 0},
                         Known{"azure2023_conv.csv.gz", 19366, 1154.7, 211.13, 3501.7, 0},
                         Known{"mooncake_conversation.csv.gz", 12031, 12035, 342.62, 3537, 0.37362},
                         Known{"mooncake_synthetic.csv.gz", 3993, 15325.5, 149.12, 1022, 0.65124},
                         Known{"sharegpt300_llama3.csv.gz", 300, 857.46, 652.51, 29.137, 0}}) {
    if (!std::filesystem::exists(recorded(k.file))) {
      GTEST_SKIP() << recorded(k.file) << " is not here";
    }
    const RequestTable t = read_trace(recorded(k.file), {}).table;
    ASSERT_EQ(t.size(), k.rows);
    double input = 0, output = 0;
    for (std::size_t r = 0; r < t.input.size(); ++r) {
      input += t.input[r];
      output += t.output[r];
    }
    EXPECT_NEAR(input / k.rows, k.input, 1e-4 * k.input) << k.file;
    EXPECT_NEAR(output / k.rows, k.output, 1e-4 * k.output) << k.file;
    EXPECT_NEAR(to_seconds(t.arrival.back()), k.seconds, 1e-3 * k.seconds) << k.file;
    EXPECT_NEAR(endless_hit_rate(t), k.hit_rate, 1e-3) << k.file;
  }
}

/// A trace on average: its rate, lengths and hit rate.
TEST(average_traffic, a_trace_becomes_one_class) {
  if (!std::filesystem::exists(recorded("mooncake_conversation.csv.gz"))) {
    GTEST_SKIP() << recorded("mooncake_conversation.csv.gz") << " is not here";
  }
  Scenario s;
  s.load.kind = LoadKind::trace;
  s.load.trace = recorded("mooncake_conversation.csv.gz").string();
  s.load.speed = 3;
  s = on_average(std::move(s), 1 << 20);
  ASSERT_EQ(s.workload.size(), 1u);
  EXPECT_EQ(s.load.kind, LoadKind::rate);
  EXPECT_NEAR(s.load.rate, 3 * 3.4012, 0.01);
  EXPECT_NEAR(s.workload[0].input.average(), 12035, 1);
  EXPECT_NEAR(s.workload[0].output.average(), 342.62, 0.1);
  EXPECT_NEAR(s.workload[0].prefix_hit_rate, 0.3736, 1e-3);
}

}  // namespace
}  // namespace tollgate
