#include <algorithm>
#include <array>

#include "sim/operators/curve_set.h"

namespace tollgate {
namespace {

struct Donors {
  std::string_view hardware;
  std::array<std::string_view, 3> nearest;
};

// Same die and machine first, then same architecture, then the architecture before or after.
constexpr std::array<Donors, 26> table{{
    {"H100-SXM", {"H200-SXM", "A100-SXM", "B200-SXM"}},
    {"H200-SXM", {"H100-SXM", "B200-SXM", "A100-SXM"}},
    {"H100-PCIe", {"H100-SXM", "H200-SXM", "A100-SXM"}},
    {"H100-NVL", {"H100-SXM", "H200-SXM", "A100-SXM"}},
    {"H800-SXM", {"H100-SXM", "H200-SXM", "A100-SXM"}},
    {"H20-SXM", {"H200-SXM", "H100-SXM", "A100-SXM"}},
    {"GH200", {"H200-SXM", "H100-SXM", "A100-SXM"}},
    {"A100-SXM", {"H100-SXM", "H200-SXM", "B200-SXM"}},
    {"A100-PCIe", {"A100-SXM", "H100-SXM", "H200-SXM"}},
    {"A800-SXM", {"A100-SXM", "H100-SXM", "H200-SXM"}},
    {"B200-SXM", {"B300-SXM", "GB200-NVL72", "GB300-NVL72"}},
    {"GB200-NVL72", {"GB300-NVL72", "B200-SXM", "B300-SXM"}},
    {"B300-SXM", {"B200-SXM", "GB300-NVL72", "GB200-NVL72"}},
    {"GB300-NVL72", {"GB200-NVL72", "B300-SXM", "B200-SXM"}},
    {"L40S", {"RTX-PRO-6000", "A100-SXM", "H100-SXM"}},
    {"L4", {"L40S", "RTX-PRO-6000", "A100-SXM"}},
    {"RTX-4090", {"L40S", "RTX-PRO-6000", "A100-SXM"}},
    {"RTX-5090", {"RTX-PRO-6000", "L40S", "B200-SXM"}},
    {"RTX-PRO-6000", {"L40S", "B200-SXM", "H100-SXM"}},
    {"MI300X", {"H200-SXM", "H100-SXM", "B200-SXM"}},
    {"MI325X", {"H200-SXM", "H100-SXM", "B200-SXM"}},
    {"MI355X", {"B200-SXM", "H200-SXM", "H100-SXM"}},
    {"TPU-v6e", {"H100-SXM", "H200-SXM", "B200-SXM"}},
    {"TPU-v7", {"B200-SXM", "H200-SXM", "H100-SXM"}},
    {"Ascend-910B", {"A100-SXM", "H100-SXM", "H200-SXM"}},
    {"Ascend-910C", {"A100-SXM", "H100-SXM", "H200-SXM"}},
}};

constexpr std::array<std::pair<std::string_view, int>, 19> architectures{{
    {"A100-SXM", 1},    {"A100-PCIe", 1}, {"A800-SXM", 1}, {"H100-SXM", 2},     {"H100-PCIe", 2},
    {"H100-NVL", 2},    {"H200-SXM", 2},  {"H800-SXM", 2}, {"H20-SXM", 2},      {"GH200", 2},
    {"B200-SXM", 3},    {"B300-SXM", 3},  {"L40S", 4},     {"GB200-NVL72", 3},  {"L4", 4},
    {"GB300-NVL72", 3}, {"RTX-4090", 4},  {"RTX-5090", 5}, {"RTX-PRO-6000", 5},
}};

int architecture_of(std::string_view hardware) {
  for (const auto& [name, architecture] : architectures) {
    if (name == hardware) return architecture;
  }
  return 0;
}

}  // namespace

bool same_architecture(const std::string& a, const std::string& b) {
  return architecture_of(a) != 0 && architecture_of(a) == architecture_of(b);
}

std::vector<std::string> donors_of(const std::string& hardware) {
  const auto* found = std::find_if(table.begin(), table.end(),
                                   [&](const Donors& d) { return d.hardware == hardware; });
  if (found == table.end()) return {"H100-SXM", "H200-SXM", "B200-SXM"};
  return {found->nearest.begin(), found->nearest.end()};
}

}  // namespace tollgate
