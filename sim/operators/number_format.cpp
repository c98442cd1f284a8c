#include "sim/operators/number_format.h"

#include <algorithm>
#include <array>

namespace tollgate {
namespace {

// Scales: fp8_block one float per 128x128 of weights and per 128 of activations; nvfp4 an fp8
// scale per 16 elements; mxfp4 one byte per 32; int4 (AWQ, GPTQ) 2 bytes of scale per 128.
constexpr std::array<NumberFormat, 9> formats{{
    {"bf16", 2, 2, false},
    {"fp8", 1, 1, true},
    {"fp8_block", 1, 1 + 4.0 / 128, true},
    {"nvfp4", 0.5625, 0.5625, true},
    {"mxfp4", 0.53125, 2, false},
    {"mxfp4_fp8", 0.53125, 1, true},
    {"int4", 0.515625, 2, false},
    {"int8", 1, 1, true},
    {"w8a16", 1, 2, false},
}};

struct Spelling {
  std::string_view written, name;
};
constexpr std::array<Spelling, 13> spellings{{
    {"bfloat16", "bf16"},
    {"float16", "bf16"},
    {"half", "bf16"},
    {"fp16", "bf16"},
    {"fp8_e4m3", "fp8"},
    {"w4a16_mxfp4", "mxfp4"},
    {"w4a8_mxfp4_mxfp8", "mxfp4_fp8"},
    {"w4a8_mxfp4_fp8", "mxfp4_fp8"},
    {"int4_wo", "int4"},
    {"w4afp8", "int4"},
    {"int8_wo", "w8a16"},
    {"sq", "int8"},
    {"fp4", "nvfp4"},
}};

}  // namespace

const NumberFormat* find_number_format(std::string_view name) {
  for (const Spelling& s : spellings) {
    if (s.written == name) name = s.name;
  }
  const auto found = std::find_if(formats.begin(), formats.end(),
                                  [&](const NumberFormat& f) { return f.name == name; });
  return found == formats.end() ? nullptr : &*found;
}

double peak_of(const NumberFormat& format, const Device& device) {
  const auto or_wider = [](double own, double wider) { return own > 0 ? own : wider; };
  const double fp8 = or_wider(device.fp8, device.bf16);
  if (format.name == "nvfp4") return or_wider(device.fp4, fp8);
  if (format.name == "fp8" || format.name == "fp8_block" || format.name == "mxfp4_fp8") return fp8;
  if (format.name == "int8") return or_wider(device.int8, device.bf16);
  return device.bf16;
}

}  // namespace tollgate
