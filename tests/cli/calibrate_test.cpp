#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "captured_run.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using testing_cli::Captured;
using testing_cli::Folder;
using testing_cli::read;
using testing_cli::repository;
using testing_cli::run;
using Json = nlohmann::json;

const std::string header = "op,backend,version,precision,kernel,bytes,latency_us\n";

/// 3 us + bytes at 70 % of the H100's 3.35 TB/s, in the cache at 150 %; 2 % of saw-tooth noise.
std::string elementwise(double slower = 1) {
  std::string text = header;
  int i = 0;
  for (double bytes = 1024; bytes < 4e9; bytes *= 1.25) {
    const double held = std::min(bytes, 25.0 * (1 << 20));
    const double us = 3 + 1e6 * (held / 1.5 + (bytes - held) / 0.7) / 3.35e12;
    text += "elementwise,mine,1,bytes,copy," + std::to_string(std::floor(bytes)) + "," +
            std::to_string(slower * us * (1 + 0.02 * (i++ % 3 - 1))) + "\n";
  }
  return text;
}

std::vector<std::string> command(const std::string& table, std::vector<std::string> more = {}) {
  std::vector<std::string> words{"calibrate", table, "--hardware", "H100-SXM"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Calibrate, WritesCurvesThatReadBackAndPrintsTheTable) {
  const Folder folder;
  const std::string table = folder.write("ops.csv", elementwise()), yaml = folder.path("out.yaml");
  const Captured r =
      run(command(table, {"-o", yaml, "--source", "my GPU", "--date", "2026-03-01"}));
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.out, HasSubstr("elementwise"));
  EXPECT_THAT(r.out, HasSubstr("20 % of the shapes held out"));
  const std::string text = read(yaml);
  for (const char* part :
       {"schema_version: 1", "name: H100-SXM", "op: elementwise", "launch: ", " us, memory: 0.",
        "source: my GPU", "date: 2026-03-01", "range:", "p90_ape:"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_EQ(run(command(table, {"-o", yaml, "--source", "my GPU", "--date", "2026-03-01"})).out,
            r.out);
  EXPECT_EQ(read(yaml), text);
}

TEST(Calibrate, JsonListsHeldOutErrorsOfEveryCurve) {
  const Folder folder;
  const Captured r = run(
      command(folder.write("ops.csv", elementwise()), {"--holdout", "0.3", "--format", "json"}));
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(r.out);
  EXPECT_EQ(json["holdout"], 0.3);
  EXPECT_EQ(json["split"], 0);
  ASSERT_EQ(json["curves"].size(), 1u);
  const Json& c = json["curves"][0];
  EXPECT_EQ(c["operator"], "elementwise");
  EXPECT_EQ(c["backend"], "mine");
  EXPECT_EQ(c["precision"], "bytes");
  EXPECT_EQ(c["rows"], 69);
  EXPECT_EQ(c["rows"].get<int>(), c["fitted"].get<int>() + c["held_out"].get<int>());
  EXPECT_LT(c["median_ape"].get<double>(), 0.03);
  EXPECT_LT(c["p90_ape"].get<double>(), 0.05);
  EXPECT_GE(c["coverage"].get<double>(), 0);
  EXPECT_NEAR(c["parameters"]["memory"].get<double>(), 0.7, 0.03);
  EXPECT_NEAR(c["parameters"]["launch"].get<double>(), 3e-6, 0.1e-6);
  EXPECT_EQ(c["range"]["bytes"][0], 1024);
  EXPECT_EQ(json["operators"][0]["held_out"], c["held_out"]);
}

TEST(Calibrate, AnotherSplitHoldsOutOtherShapes) {
  const Folder folder;
  const std::string table = folder.write("ops.csv", elementwise());
  std::vector<Json> curves;
  for (const char* split : {"0", "1", "2"}) {
    const Captured r = run(command(table, {"--split", split, "--format", "json"}));
    ASSERT_EQ(r.code, 0) << r.err;
    curves.push_back(Json::parse(r.out)["curves"][0]);
    EXPECT_EQ(69, curves.back()["fitted"].get<int>() + curves.back()["held_out"].get<int>());
    EXPECT_NEAR(curves.back()["held_out"].get<int>(), 14, 12);
  }
  EXPECT_NE(curves[0]["median_ape"], curves[1]["median_ape"]);
  EXPECT_NE(curves[1]["median_ape"], curves[2]["median_ape"]);
}

TEST(Calibrate, HoldoutZeroFitsEveryShape) {
  const Folder folder;
  const Captured r =
      run(command(folder.write("ops.csv", elementwise()), {"--holdout", "0", "--format", "json"}));
  ASSERT_EQ(r.code, 0) << r.err;
  const Json curve = Json::parse(r.out)["curves"][0];
  EXPECT_EQ(curve["fitted"], 69);
  EXPECT_EQ(curve["held_out"], 0);
}

/// The shipped curves of another device predict a shipped collective; the check writes nothing.
TEST(Calibrate, FromComparesWithStoredCurves) {
  const Folder folder;
  std::string text = "op,backend,version,precision,kernel,ranks,bytes,latency_us\n";
  for (int i = 8; i < 30; ++i) {
    text += "all_gather,nccl,2,bytes,nccl,8," + std::to_string(1LL << i) + "," +
            std::to_string(12 + std::ldexp(7.0 / 8 / 330e3, i)) + "\n";
  }
  const std::string table = folder.write("nccl.csv", text);
  const Captured r = run(command(table, {"--from", "H200-SXM", "--format", "json"}));
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(r.out);
  EXPECT_EQ(json["from"], "H200-SXM");
  EXPECT_LT(json["curves"][0]["median_ape"].get<double>(), 0.4);
  EXPECT_EQ(run(command(table, {"--from", "device"})).code, 0);
  EXPECT_THAT(run(command(table, {"--from", "X1"})).err, HasSubstr("--from 'X1' is neither"));
  EXPECT_THAT(run(command(table, {"--from", "device", "-o", folder.path("x")})).err,
              HasSubstr("it goes without --output"));
}

TEST(Calibrate, SeveralTablesAreOne) {
  const Folder folder;
  const std::string all = elementwise();
  const std::size_t half = all.find('\n', all.size() / 2) + 1;
  const std::string a = folder.write("a.csv", all.substr(0, half)),
                    b = folder.write("b.csv", header + all.substr(half)),
                    c = folder.write("c.csv", all);
  auto two = command(a, {b, "--source", "s", "--date", "2026-01-01", "--format", "json"});
  EXPECT_EQ(run(two).out,
            run(command(c, {"--source", "s", "--date", "2026-01-01", "--format", "json"})).out);
}

TEST(Calibrate, MistakesAreOneSentenceWithThePlace) {
  const Folder folder;
  const auto refusal = [&](const std::string& text, std::vector<std::string> more = {}) {
    const Captured r = run(command(folder.write("t.csv", text), std::move(more)));
    EXPECT_EQ(r.code, 2) << r.out;
    EXPECT_EQ(r.out, "");
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    return r.err;
  };
  const std::string row = "elementwise,mine,1,bytes,copy,4096,";
  EXPECT_THAT(refusal(header + row + "0\n"), HasSubstr("t.csv:2: latency_us is '0'"));
  EXPECT_THAT(refusal(header + row + "5\n" + row + "9\n"), HasSubstr("t.csv:3: the same shape"));
  EXPECT_THAT(refusal("op,backend,bytes,latency_us\n"), HasSubstr("t.csv:1: "));
  EXPECT_THAT(refusal(header + row + "5\n"), HasSubstr("parameters need 5"));
  // Seconds in the column of microseconds.
  EXPECT_THAT(refusal(elementwise(1e-6)), HasSubstr("latency in another unit"));
  EXPECT_THAT(refusal(elementwise(), {"--holdout", "1"}), HasSubstr("--holdout"));
  EXPECT_THAT(refusal(elementwise(), {"--split", "-1"}), HasSubstr("--split"));
  EXPECT_THAT(run({"calibrate", folder.path("t.csv")}).err, HasSubstr("--hardware NAME"));
  EXPECT_THAT(run({"calibrate", "--hardware", "H100-SXM"}).err, HasSubstr("TABLE is missing"));
  EXPECT_THAT(run({"calibrate", "/nowhere.csv", "--hardware", "H100-SXM"}).err,
              HasSubstr("/nowhere.csv: there is no such file."));
  EXPECT_THAT(run({"calibrate", folder.path("t.csv"), "--hardware", "H100"}).err,
              HasSubstr("no hardware named 'H100'"));
}

TEST(Calibrate, ListsOperatorsWithTheirColumns) {
  const Captured r = run({"list", "operators"});
  EXPECT_EQ(r.code, 0);
  EXPECT_THAT(r.out, HasSubstr("all_reduce"));
  const Json json = Json::parse(run({"list", "operators", "--format", "json"}).out);
  for (const Json& op : json["operators"]) {
    EXPECT_FALSE(op["columns"].empty()) << op["name"];
    EXPECT_FALSE(op["parameters"].empty()) << op["name"];
  }
}

}  // namespace
}  // namespace tollgate
