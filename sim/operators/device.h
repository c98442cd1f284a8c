#pragma once

#include "sim/spec/hardware_spec.h"

namespace tollgate {

/// The limits of one accelerator that no operator can beat.
struct Device {
  double bf16 = 0, fp8 = 0, int8 = 0, fp4 = 0;  ///< FLOP/s, dense; 0 = no such unit
  double bandwidth = 0;                         ///< bytes/s of memory
  double processors = 0;                        ///< streaming multiprocessors or compute units
  double l2 = 0;                                ///< bytes of last-level cache
  double scale_up = 0, scale_out = 0;           ///< bytes/s, one direction, per accelerator
  double scale_up_latency = 0, scale_out_latency = 0;  ///< seconds
  int per_domain = 8;                                  ///< accelerators joined by the scale-up link
};

Device device_of(const HardwareSpec& hardware);

}  // namespace tollgate
