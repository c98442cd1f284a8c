#include "tools/engine.h"

#include <tbb/global_control.h>

#include <optional>
#include <stdexcept>

#include "sim/base/error.h"
#include "tools/command.h"

namespace tollgate {
namespace {

const kernels::RoutingBackend& chosen_backend(const std::string& name) {
  try {
    return kernels::find_backend(name);
  } catch (const std::invalid_argument& error) {
    for (const kernels::RoutingBackend* backend : kernels::backends()) {
      if (backend->name() == name) throw DeviceError(error.what());
    }
    throw InputError(error.what());
  }
}

}  // namespace

int with_backend(const Arguments& arguments, const std::string& fallback, const Console& console,
                 const std::function<int(const kernels::RoutingBackend&)>& work) {
  std::optional<tbb::global_control> threads;
  if (arguments.has("--threads")) {
    threads.emplace(tbb::global_control::max_allowed_parallelism,
                    static_cast<std::size_t>(arguments.integer("--threads", 1, 1024)));
  }
  const auto& backend =
      chosen_backend(arguments.has("--backend") ? arguments.text("--backend") : fallback);
  if (console.notes)
    console.err << "tollgate: experts are routed by the " << backend.name() << " backend\n";
  try {
    return work(backend);
  } catch (const InputError&) {
    throw;
  } catch (const FileError&) {
    throw;
  } catch (const std::runtime_error& error) {
    if (backend.name() == "cuda") throw DeviceError(error.what());
    throw;
  }
}

}  // namespace tollgate
