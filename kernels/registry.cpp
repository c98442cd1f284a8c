#include "kernels/registry.h"

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/reference/reference_backend.h"
#include "kernels/tbb/tbb_backend.h"

namespace tollgate::kernels {
namespace {

std::string known_names() {
  std::string names = "auto";
  for (const RoutingBackend* backend : backends()) names.append(", ").append(backend->name());
  return names;
}

const RoutingBackend& find_named(std::string_view name, const std::string& origin) {
  for (const RoutingBackend* backend : backends()) {
    if (backend->name() != name) continue;
    const Availability availability = backend->available();
    if (!availability) {
      throw std::invalid_argument("The routing backend \"" + std::string(name) + "\"" + origin +
                                  " cannot run here: " + availability.reason + ".");
    }
    return *backend;
  }
  throw std::invalid_argument("There is no routing backend \"" + std::string(name) + "\"" + origin +
                              "; known are " + known_names() + ".");
}

}  // namespace

std::span<const RoutingBackend* const> backends() {
  static const CudaBackend cuda;
  static const TbbBackend tbb;
  static const ReferenceBackend reference;
  static const std::array<const RoutingBackend*, 3> all = {&cuda, &tbb, &reference};
  return all;
}

const RoutingBackend& find_backend(std::string_view choice) {
  if (choice != "auto") return find_named(choice, "");
  const char* wanted = std::getenv("TOLLGATE_BACKEND");
  if (wanted != nullptr && *wanted != '\0' && std::string_view(wanted) != "auto") {
    return find_named(wanted, " (from TOLLGATE_BACKEND)");
  }
  for (const RoutingBackend* backend : backends()) {
    if (backend->available()) return *backend;
  }
  throw std::logic_error("No routing backend is available, not even the reference.");
}

}  // namespace tollgate::kernels
