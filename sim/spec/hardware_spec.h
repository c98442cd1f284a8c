#pragma once

#include <string>
#include <vector>

#include "sim/base/estimate.h"
#include "sim/spec/model_spec.h"

namespace tollgate {

/// Dense peak rates; 0 = the format has no matrix unit (sim/timing/compute_path.h says what runs
/// instead).
struct PeakRates {
  double bf16 = 0;
  double fp8 = 0;
  double int8 = 0;
  double fp4 = 0;
  Places places;
};

/// Links between accelerators. Bandwidths are per accelerator and one direction.
struct LinkSpec {
  std::string name;
  double bandwidth = 0;  ///< bytes/s
  double latency = 0;    ///< seconds, one small message end to end
  Places places;
};

/// Three-constant efficiency of one operator class:
/// t = launch + max(flops / (compute x peak), bytes / (memory x bandwidth)).
struct OperatorEfficiency {
  double compute = 0;  ///< reachable fraction of the peak
  double memory = 0;   ///< reachable fraction of the memory (or link) bandwidth
  double launch = 0;   ///< seconds per call
  double log_sd = 0;   ///< standard deviation of ln(measured / predicted)
  Provenance provenance = Provenance::assumed;
  std::string source;
  Places places;
};

/// Efficiencies of every operator class the step model knows. A hardware file may give any of them;
/// the rest come from models/hardware/_defaults.yaml, marked assumed.
struct EfficiencyTable {
  OperatorEfficiency gemm_bf16, gemm_fp8, gemm_fp4;
  OperatorEfficiency moe_bf16, moe_fp8, moe_fp4;
  OperatorEfficiency prefill_attention, decode_attention, mla_prefill, mla_decode, linear_attention;
  OperatorEfficiency elementwise;
  OperatorEfficiency all_reduce, all_to_all;  ///< `memory` is the fraction of link bandwidth
  Places places;
};

/// An accelerator with the machine around it.
struct HardwareSpec {
  std::string name;
  std::string vendor;
  std::string released;
  double memory = 0;            ///< bytes per accelerator
  double memory_bandwidth = 0;  ///< bytes/s
  PeakRates peak;
  int processors = 0;       ///< streaming multiprocessors or compute units; 0 = unknown
  double l2 = 0;            ///< bytes of last-level cache; 0 = unknown
  double tdp = 0;           ///< watts per accelerator
  double all_in_power = 0;  ///< watts per accelerator with its share of the machine; 0 = unknown
  int per_node = 8;         ///< accelerators in one machine
  int per_domain = 8;       ///< accelerators joined by the fast link (NVL72: 72)
  LinkSpec scale_up;        ///< NVLink, Infinity Fabric, PCIe, ICI
  LinkSpec scale_out;       ///< network card per accelerator
  EfficiencyTable efficiency;
  std::vector<Source> sources;
  std::vector<std::string> notes;

  Places places;
};

}  // namespace tollgate
