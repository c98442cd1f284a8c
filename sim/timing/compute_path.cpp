#include "sim/timing/compute_path.h"

namespace tollgate {

ComputePath compute_path(Precision weights, const PeakRates& peak) {
  const ComputePath wide{ComputeClass::bf16, peak.bf16, 2};
  const ComputePath fp8{ComputeClass::fp8, peak.fp8, 1};
  switch (weights) {
    case Precision::fp32:
    case Precision::bf16:
    case Precision::int4:
      return wide;
    case Precision::fp8:
      return peak.fp8 > 0 ? fp8 : wide;
    case Precision::int8:
      return peak.int8 > 0 ? ComputePath{ComputeClass::fp8, peak.int8, 1} : wide;
    case Precision::nvfp4:
      if (peak.fp4 > 0) return {ComputeClass::fp4, peak.fp4, bytes_per_element(Precision::nvfp4)};
      return wide;
    case Precision::mxfp4:
      return peak.fp4 > 0 && peak.fp8 > 0 ? fp8 : wide;
  }
  return wide;
}

std::string_view number_format_of(Precision weights, bool shipped, const PeakRates& peak) {
  const bool wide = compute_path(weights, peak).unit == ComputeClass::bf16;
  switch (weights) {
    case Precision::fp32:
    case Precision::bf16:
      return "bf16";
    case Precision::int4:
      return "int4";
    case Precision::fp8:
      return wide ? "w8a16" : shipped ? "fp8_block" : "fp8";
    case Precision::int8:
      return wide ? "w8a16" : "int8";
    case Precision::nvfp4:
      return wide ? "mxfp4" : "nvfp4";
    case Precision::mxfp4:
      return wide ? "mxfp4" : "mxfp4_fp8";
  }
  return "bf16";
}

}  // namespace tollgate
