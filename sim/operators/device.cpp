#include "sim/operators/device.h"

namespace tollgate {

Device device_of(const HardwareSpec& h) {
  Device d;
  d.bf16 = h.peak.bf16;
  d.fp8 = h.peak.fp8;
  d.int8 = h.peak.int8;
  d.fp4 = h.peak.fp4;
  d.bandwidth = h.memory_bandwidth;
  d.processors = h.processors > 0 ? h.processors : 128;  // where the datasheet is silent
  d.l2 = h.l2;
  d.scale_up = h.scale_up.bandwidth;
  d.scale_out = h.scale_out.bandwidth;
  d.scale_up_latency = h.scale_up.latency;
  d.scale_out_latency = h.scale_out.latency;
  d.per_domain = h.per_domain;
  return d;
}

}  // namespace tollgate
