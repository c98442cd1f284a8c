#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>

#include "sim/operators/fit.h"
#include "sim/operators/known_bad.h"
#include "sim/operators/shape_hash.h"
#include "sim/operators/table_reader.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

struct Errors {
  std::vector<double> held_out, left_out;
};

double order_statistic(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

using Parameters = std::map<OperatorKey, std::vector<double>>;

/// Fits 320 shapes of every group, and judges the fit and `other` parameters on held-out shapes.
std::map<std::string, Errors> judged(const std::string& name, const std::string& system,
                                     Parameters& found, const Parameters& other) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const HardwareSpec hardware = library.hardware(name, {});
  const std::string folder = std::string(TOLLGATE_SHARED) + "/data/opdata/";
  const OperatorTables tables =
      read_operator_tables({folder + "attn_context__" + system + ".csv.gz",
                            folder + "attn_generation__" + system + ".csv.gz"},
                           name, library.names(Library::Shelf::hardware), 1500);
  std::map<std::string, Errors> out;
  for (const TableGroup& group : tables.groups) {
    if (!known_bad_reason(name, group.key).empty()) continue;
    const OperatorCurve& curve = *find_curve(group.key.op);
    const CurveContext context{device_of(hardware), find_number_format(group.key.precision)};
    std::vector<const OperatorSample*> fit, test;
    for (const OperatorSample& s : group.samples) {
      const bool held = shape_fraction(group.key.op, s.shape, HashUse::holdout) < 0.2;
      if (held) test.push_back(&s);
      if (!held && fit.size() < 320) fit.push_back(&s);
    }
    if (fit.size() < curve.parameters().size() + 2) continue;
    const auto judge = [&](const std::vector<double>& p, std::vector<double>& errors) {
      for (const OperatorSample* s : test) {
        const double t = curve.seconds(s->shape.data(), context, p.data());
        errors.push_back(std::fabs(t / s->seconds - 1));
      }
    };
    auto& p = found[group.key];
    p = fit_curve(curve, context, fit).parameters;
    judge(p, out[group.key.op].held_out);
    const auto stranger = other.find(group.key);
    if (stranger != other.end()) judge(stranger->second, out[group.key.op].left_out);
  }
  return out;
}

// aiconfigurator 095f58a5, all backends, precisions and kernels but the known bad. Limits are those
// asked of the model: median 8 % and P90 25 % of prefill attention, 10 % and 30 % of decode
// attention; 20 % at the median for a device left out, under the nearest one's constants.
TEST(AttentionAccuracy, HoldsOnShapesAndDevicesThatTheFitDidNotSee) {
  if (!std::filesystem::exists(std::string(TOLLGATE_SHARED) + "/data/opdata")) {
    GTEST_SKIP() << "no operator tables of aiconfigurator in the data folder";
  }
  Parameters hopper, others;
  const auto check = [](const std::string& name, const std::map<std::string, Errors>& errors) {
    for (const auto& [op, e] : errors) {
      const bool prefill = op == "prefill_attention";
      const double median = order_statistic(e.held_out, 0.5),
                   p90 = order_statistic(e.held_out, 0.9);
      std::cout << name << " " << op << ": " << e.held_out.size() << " shapes, median "
                << 100 * median << " %, P90 " << 100 * p90 << " %";
      EXPECT_LE(median, prefill ? 0.08 : 0.10) << name << " " << op;
      EXPECT_LE(p90, prefill ? 0.25 : 0.30) << name << " " << op;
      if (!e.left_out.empty()) {
        const double left_out = order_statistic(e.left_out, 0.5);
        std::cout << "; left out: median " << 100 * left_out << " %";
        EXPECT_LE(left_out, 0.20) << name << " " << op;
      }
      std::cout << "\n";
    }
  };
  check("H100-SXM", judged("H100-SXM", "h100_sxm", hopper, {}));
  check("H200-SXM", judged("H200-SXM", "h200_sxm", others, hopper));
  check("B200-SXM", judged("B200-SXM", "b200_sxm", others, {}));
  check("L40S", judged("L40S", "l40s", others, {}));
}

}  // namespace
}  // namespace tollgate
