#include <algorithm>
#include <array>
#include <utility>

#include "sim/spec/model_spec.h"

namespace tollgate {

bool ReleaseSpec::keeps(std::string_view tensor_class) const {
  return std::find(kept.begin(), kept.end(), tensor_class) != kept.end();
}

bool LlmSpec::has_experts() const {
  return std::any_of(ffns.begin(), ffns.end(),
                     [](const FfnSpec& f) { return f.kind == FfnKind::moe; });
}

const ReleaseSpec* LlmSpec::release(Precision format) const {
  const auto found = std::find_if(releases.begin(), releases.end(),
                                  [&](const ReleaseSpec& r) { return r.format == format; });
  return found == releases.end() ? nullptr : &*found;
}

PrecisionMap precision_in(const LlmSpec& model, Precision format) {
  constexpr std::array<std::pair<std::string_view, Precision PrecisionMap::*>, 4> matrices{{
      {"attention", &PrecisionMap::attention},
      {"dense_ffn", &PrecisionMap::dense_ffn},
      {"experts", &PrecisionMap::experts},
      {"shared_experts", &PrecisionMap::shared_experts},
  }};
  PrecisionMap p = model.precision;
  const ReleaseSpec* release = model.release(format);
  for (const auto& [name, member] : matrices) {
    if (release) {
      p.*member = release->keeps(name) ? Precision::bf16 : format;
    } else if (bytes_per_element(p.*member) > bytes_per_element(format)) {
      p.*member = format;
    }
  }
  return p;
}

}  // namespace tollgate
