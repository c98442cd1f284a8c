#include "sim/operators/attention_kernels.h"

namespace tollgate {

std::string prefill_kernel(std::string_view library, double head_dim) {
  int compiled = 512;
  for (const int d : {256, 192, 128, 64}) {
    if (head_dim <= d) compiled = d;
  }
  return std::string(library) + ".d" + std::to_string(compiled);
}

std::string decode_kernel(std::string_view library, double head_dim, double heads, double kv_heads,
                          double window) {
  std::string name = prefill_kernel(library, head_dim);
  if (heads <= kv_heads) name += ".mha";
  if (heads > 32 * kv_heads) name += ".wide";
  if (kv_heads == 1 && heads > 1 && heads <= 32 && window <= 0) name += ".mqa";
  if (window > 0) name += ".window";
  return name;
}

}  // namespace tollgate
