#include "tools/version_text.h"

#include "kernels/registry.h"
#include "sim/report/version.h"

namespace tollgate {

std::string version_text() {
  std::string text = "tollgate ";
  text.append(tool_version)
      .append("\nrun output format ")
      .append(run_format_version)
      .append("\nrouting backends:\n");
  for (const kernels::RoutingBackend* backend : kernels::backends()) {
    const kernels::Availability availability = backend->available();
    std::string name(backend->name());
    name.resize(11, ' ');
    text += "  ";
    text += name;
    text += availability ? std::string(backend->description())
                         : "not available: " + availability.reason;
    text += '\n';
  }
  return text;
}

}  // namespace tollgate
