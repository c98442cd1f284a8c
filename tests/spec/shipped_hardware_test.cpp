// models/hardware as shipped: readable, complete, sourced and physically sensible.
#include <gtest/gtest.h>

#include <set>

#include "sim/spec/library.h"

namespace tollgate {
namespace {

Library library() { return Library(std::string(TOLLGATE_REPOSITORY) + "/models"); }

TEST(ShippedHardware, HasTheDevicesThatAreAskedFor) {
  const auto names = library().names(Library::Shelf::hardware);
  const std::set<std::string> known(names.begin(), names.end());
  EXPECT_GE(known.size(), 22u);
  for (const char* name : {"A100-SXM", "A800-SXM",    "H100-SXM",    "H800-SXM",    "H20-SXM",
                           "H200-SXM", "B200-SXM",    "B300-SXM",    "GB200-NVL72", "GB300-NVL72",
                           "MI300X",   "MI325X",      "MI355X",      "L40S",        "RTX-PRO-6000",
                           "RTX-4090", "Ascend-910B", "Ascend-910C", "TPU-v6e",     "TPU-v7"}) {
    EXPECT_TRUE(known.contains(name)) << name;
  }
}

TEST(ShippedHardware, EveryFigureIsSensible) {
  Library books = library();
  for (const auto& name : books.names(Library::Shelf::hardware)) {
    SCOPED_TRACE(name);
    const HardwareSpec h = books.hardware(name, {});
    EXPECT_EQ(h.name, name);
    EXPECT_FALSE(h.sources.empty());
    EXPECT_GT(h.memory, 16e9);
    EXPECT_LT(h.memory, 400e9);
    EXPECT_GE(h.memory_bandwidth, 0.3e12);
    EXPECT_LT(h.memory_bandwidth, 10e12);
    // Dense rates at most double with each halving of the format (B300's fp4 trebles).
    EXPECT_LE(h.peak.fp8, 2.03 * h.peak.bf16);
    EXPECT_LE(h.peak.int8, 4.01 * h.peak.bf16);
    EXPECT_LE(h.peak.fp4, 4.01 * h.peak.fp8);
    EXPECT_GE(h.scale_up.bandwidth, h.scale_out.bandwidth);
    EXPECT_LE(h.scale_up.latency, h.scale_out.latency);
    EXPECT_LE(h.per_node, h.per_domain);
    if (h.all_in_power > 0) {
      EXPECT_GT(h.all_in_power, h.tdp);
    }
  }
}

TEST(ShippedHardware, TheSparseTrapIsAvoided) {
  Library books = library();
  EXPECT_DOUBLE_EQ(books.hardware("L40S", {}).peak.fp8, 733e12);
  EXPECT_DOUBLE_EQ(books.hardware("H100-SXM", {}).peak.bf16, 989e12);
  EXPECT_DOUBLE_EQ(books.hardware("H800-SXM", {}).scale_up.bandwidth, 200e9);
}

}  // namespace
}  // namespace tollgate
