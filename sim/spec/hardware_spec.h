#pragma once

#include <string>
#include <vector>

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

/// An accelerator with the machine around it.
struct HardwareSpec {
  std::string name;
  std::string vendor;
  std::string released;
  double memory = 0;            ///< bytes per accelerator
  double memory_bandwidth = 0;  ///< bytes/s
  PeakRates peak;
  int processors = 0;       ///< streaming multiprocessors or compute units; 0 = unknown
  double clock_ghz = 0;     ///< of a processor; 0 = what the peak says at its architecture's rate
  double l2 = 0;            ///< bytes of last-level cache; 0 = unknown
  double tdp = 0;           ///< watts per accelerator
  double all_in_power = 0;  ///< watts per accelerator with its share of the machine; 0 = unknown
  int per_node = 8;         ///< accelerators in one machine
  int per_domain = 8;       ///< accelerators joined by the fast link (NVL72: 72)
  LinkSpec scale_up;        ///< NVLink, Infinity Fabric, PCIe, ICI
  LinkSpec scale_out;       ///< network card per accelerator
  std::vector<Source> sources;
  std::vector<std::string> notes;

  Places places;
};

}  // namespace tollgate
