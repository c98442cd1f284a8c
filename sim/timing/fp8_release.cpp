#include "sim/timing/fp8_release.h"

#include <algorithm>
#include <string_view>

namespace tollgate {

bool has_block_fp8_release(const LlmSpec& model) {
  constexpr std::string_view series[] = {"Qwen3-", "Qwen3.5-", "GLM-5"};
  return std::any_of(std::begin(series), std::end(series),
                     [&](std::string_view name) { return model.name.starts_with(name); });
}

}  // namespace tollgate
