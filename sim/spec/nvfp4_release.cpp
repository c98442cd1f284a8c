#include "sim/spec/nvfp4_release.h"

#include <algorithm>
#include <string_view>

namespace tollgate {

void keep_as_nvfp4_release(const LlmSpec& model, PrecisionMap& precision) {
  const bool mixture = std::any_of(model.ffns.begin(), model.ffns.end(),
                                   [](const FfnSpec& f) { return f.kind == FfnKind::moe; });
  if (!mixture || precision.experts != Precision::nvfp4) return;
  precision.attention = Precision::bf16;
  constexpr std::string_view whole_shared_experts[] = {"Kimi-K2", "Qwen3.5-"};
  if (std::any_of(std::begin(whole_shared_experts), std::end(whole_shared_experts),
                  [&](std::string_view family) { return model.name.starts_with(family); })) {
    precision.shared_experts = Precision::bf16;
  }
}

}  // namespace tollgate
