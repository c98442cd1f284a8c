#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <optional>

#include "sim/operators/calibration.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

// Tables of aiconfigurator 095f58a5. A fifth of the shapes, chosen by a hash of the shape, is not
// fitted. Half a minute of one core where the data is; the figures of all devices are in
// docs/method.md.
struct Table {
  const char *hardware, *file;
};

OperatorTables read(const Table& table, Library& library) {
  const std::string path = std::string(TOLLGATE_SHARED) + "/data/opdata/" + table.file;
  return read_operator_tables({path}, table.hardware, library.names(Library::Shelf::hardware),
                              1500);
}
bool absent(const Table& table) {
  return !std::filesystem::exists(std::string(TOLLGATE_SHARED) + "/data/opdata/" + table.file);
}

const CalibrationOptions options{0.2, "aiconfigurator 095f58a5", "2026-08-21"};

OperatorError error_of_table(const Table& table, const Calibration& result) {
  const OperatorError error = result.operators.at(0);
  std::cout << table.hardware << ", " << error.op << ": " << error.curves << " curves, median "
            << 100 * error.median_ape << " %, P90 " << 100 * error.p90_ape << " % of "
            << error.held_out << " held-out shapes\n";
  return error;
}

TEST(ProductAccuracy, DenseProductsOnShapesTheFitDidNotSee) {
  const Table h200{"H200-SXM", "gemm__h200_sxm.csv.gz"}, b200{"B200-SXM", "gemm__b200_sxm.csv.gz"};
  if (absent(h200) || absent(b200)) GTEST_SKIP() << "no operator tables of aiconfigurator";
  Library library(TOLLGATE_REPOSITORY "/models");
  std::map<OperatorKey, FittedCurve> fitted;
  for (const Table& table : {h200, b200}) {
    const OperatorTables tables = read(table, library);
    const HardwareSpec hardware = library.hardware(table.hardware, {});
    const Calibration result = calibrate(hardware, tables, options);
    const OperatorError error = error_of_table(table, result);
    EXPECT_LE(error.median_ape, 0.08);
    EXPECT_LE(error.p90_ape, 0.25);
    // 80 % of the checking half inside; some 150 shapes a curve in each half, 4 sigma of the mean.
    EXPECT_NEAR(error.coverage, 0.8, 0.06);
    // vLLM's block products are known bad.
    for (const FittedCurve& c : result.curves) {
      EXPECT_FALSE(c.backend == "vllm" && c.precision == "fp8_block");
    }
    if (fitted.empty()) {
      for (const FittedCurve& c : result.curves) {
        fitted[{c.op, c.backend, c.precision, c.kernel}] = c;
      }
      continue;
    }
    // The other device left out: shares fitted on H200 on the datasheet of B200.
    const Calibration carried =
        check_transfer(hardware, tables, options, [&](const OperatorKey& key) {
          std::optional<CurveChoice> choice;
          const auto found = fitted.find(key);
          if (found == fitted.end()) return choice;
          choice.emplace();
          choice->curve = find_curve(key.op);
          choice->context = {device_of(hardware), find_number_format(key.precision)};
          choice->parameters = found->second.parameters;
          return choice;
        });
    std::cout << "carried from H200: ";
    EXPECT_LE(error_of_table(table, carried).median_ape, 0.20);
  }
}

TEST(ProductAccuracy, ExpertLayersOnShapesTheFitDidNotSee) {
  const Table table{"H100-SXM", "moe__h100_sxm.csv.gz"};
  if (absent(table)) GTEST_SKIP() << "no operator tables of aiconfigurator";
  Library library(TOLLGATE_REPOSITORY "/models");
  const OperatorError error = error_of_table(
      table, calibrate(library.hardware(table.hardware, {}), read(table, library), options));
  EXPECT_LE(error.median_ape, 0.10);
  EXPECT_LE(error.p90_ape, 0.35);
}

}  // namespace
}  // namespace tollgate
