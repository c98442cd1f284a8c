#include <algorithm>
#include <array>

#include "sim/operators/curve_set.h"

namespace tollgate {
namespace {

enum class Architecture { other, ampere, hopper, blackwell, ada, blackwell_rtx };

struct Kind {
  std::string_view hardware;
  Architecture architecture;
  double flops_per_cycle;  ///< dense bf16, of one processor; 0: not known
  std::array<std::string_view, 5> nearest;
};

using enum Architecture;
// Same die first, then same architecture, then others: those that run the same kernels (mma.sync of
// Ampere, Ada and the RTX cards, wgmma of Hopper, tcgen05 of Blackwell) and those with the same
// kind of memory. FLOPs per cycle: NVIDIA's architecture white papers.
constexpr std::array<Kind, 26> table{{
    {"H100-SXM", hopper, 4096, {"H200-SXM", "A100-SXM", "B200-SXM"}},
    {"H200-SXM", hopper, 4096, {"H100-SXM", "B200-SXM", "A100-SXM"}},
    {"H100-PCIe", hopper, 4096, {"H100-SXM", "H200-SXM", "A100-SXM"}},
    {"H100-NVL", hopper, 4096, {"H100-SXM", "H200-SXM", "A100-SXM"}},
    {"H800-SXM", hopper, 4096, {"H100-SXM", "H200-SXM", "A100-SXM"}},
    {"H20-SXM", hopper, 0, {"H200-SXM", "H100-SXM", "A100-SXM"}},
    {"GH200", hopper, 4096, {"H200-SXM", "H100-SXM", "A100-SXM"}},
    {"A100-SXM", ampere, 2048, {"L40S", "RTX-PRO-6000", "H100-SXM", "B200-SXM"}},
    {"A100-PCIe", ampere, 2048, {"A100-SXM", "L40S", "H100-SXM"}},
    {"A800-SXM", ampere, 2048, {"A100-SXM", "L40S", "RTX-PRO-6000", "H100-SXM"}},
    {"B200-SXM", blackwell, 8192, {"B300-SXM", "GB200-NVL72", "GB300-NVL72"}},
    {"GB200-NVL72", blackwell, 8192, {"GB300-NVL72", "B200-SXM", "B300-SXM"}},
    {"B300-SXM", blackwell, 8192, {"B200-SXM", "GB300-NVL72", "GB200-NVL72"}},
    {"GB300-NVL72", blackwell, 8192, {"GB200-NVL72", "B300-SXM", "B200-SXM"}},
    {"L40S", ada, 1024, {"RTX-PRO-6000", "RTX-4090", "A100-SXM", "H100-SXM"}},
    {"L4", ada, 1024, {"L40S", "RTX-PRO-6000", "A100-SXM"}},
    {"RTX-4090", ada, 512, {"L40S", "RTX-PRO-6000", "A100-SXM"}},
    {"RTX-5090", blackwell_rtx, 512, {"RTX-PRO-6000", "L40S", "RTX-4090", "A100-SXM"}},
    {"RTX-PRO-6000", blackwell_rtx, 1024, {"L40S", "RTX-4090", "A100-SXM", "H100-SXM", "B200-SXM"}},
    {"MI300X", other, 0, {"H200-SXM", "H100-SXM", "B200-SXM"}},
    {"MI325X", other, 0, {"H200-SXM", "H100-SXM", "B200-SXM"}},
    {"MI355X", other, 0, {"B200-SXM", "H200-SXM", "H100-SXM"}},
    {"TPU-v6e", other, 0, {"H100-SXM", "H200-SXM", "B200-SXM"}},
    {"TPU-v7", other, 0, {"B200-SXM", "H200-SXM", "H100-SXM"}},
    {"Ascend-910B", other, 0, {"A100-SXM", "H100-SXM", "H200-SXM"}},
    {"Ascend-910C", other, 0, {"A100-SXM", "H100-SXM", "H200-SXM"}},
}};

const Kind* kind_of(std::string_view hardware) {
  const auto* found = std::find_if(table.begin(), table.end(),
                                   [&](const Kind& k) { return k.hardware == hardware; });
  return found == table.end() ? nullptr : found;
}

}  // namespace

bool same_architecture(const std::string& a, const std::string& b) {
  const Kind *x = kind_of(a), *y = kind_of(b);
  return x && y && x->architecture != other && x->architecture == y->architecture;
}

std::string_view architecture_of(const std::string& hardware) {
  const Kind* kind = kind_of(hardware);
  switch (kind ? kind->architecture : other) {
    case ampere:
      return "ampere";
    case hopper:
      return "hopper";
    case blackwell:
      return "blackwell";
    case ada:
      return "ada";
    case blackwell_rtx:
      return "blackwell_rtx";
    case other:
      return "";
  }
  return "";
}

bool close_relatives(const std::string& a, const std::string& b) {
  const auto graphics = [](const Kind* k) {
    return k && (k->architecture == ada || k->architecture == blackwell_rtx);
  };
  return same_architecture(a, b) || (graphics(kind_of(a)) && graphics(kind_of(b)));
}

bool same_instructions(const std::string& a, const std::string& b) {
  const auto mma_sync = [](const Kind* k) {
    return k->architecture == ampere || k->architecture == ada || k->architecture == blackwell_rtx;
  };
  const Kind *x = kind_of(a), *y = kind_of(b);
  return same_architecture(a, b) || (x && y && mma_sync(x) && mma_sync(y));
}

double clock_of(const HardwareSpec& hardware) {
  if (hardware.clock_ghz > 0) return 1e9 * hardware.clock_ghz;
  const Kind* kind = kind_of(hardware.name);
  const bool known = kind && kind->flops_per_cycle > 0 && hardware.processors > 0;
  return known ? hardware.peak.bf16 / hardware.processors / kind->flops_per_cycle : 0;
}

std::vector<std::string> donors_of(const std::string& hardware) {
  const Kind* kind = kind_of(hardware);
  if (!kind) return {"H100-SXM", "H200-SXM", "B200-SXM"};
  std::vector<std::string> names;
  for (const std::string_view name : kind->nearest) {
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

}  // namespace tollgate
