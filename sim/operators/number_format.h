#pragma once

#include <string_view>

#include "sim/operators/device.h"

namespace tollgate {

/// How a matrix product stores and computes, as operator tables name it.
struct NumberFormat {
  std::string_view name;    ///< "bf16", "fp8", "fp8_block", "nvfp4", "mxfp4", "int4", "int8", ...
  double weight_bytes = 2;  ///< per element, scales included
  double activation_bytes = 2;  ///< per element of the input, as read by the product
  bool quantises = false;       ///< a kernel turns bf16 activations into this format first
};

/// The format of a name, also by the spellings of published tables ("bfloat16", "fp8_e4m3",
/// "w4a16_mxfp4"); null if unknown.
const NumberFormat* find_number_format(std::string_view name);

/// FLOP/s of the unit a format runs on: its own, or the wider one it is unpacked to.
double peak_of(const NumberFormat& format, const Device& device);

}  // namespace tollgate
