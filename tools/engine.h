#pragma once

#include <functional>
#include <string>

#include "kernels/registry.h"
#include "tools/arguments.h"
#include "tools/command.h"

namespace tollgate {

/// Finds the routing backend of `--backend` (else `fallback`) and runs `work` with it under
/// `--threads`. A person at the terminal is told which it is; the output does not say, because it
/// is the same for all. A backend that cannot run here, or whose device fails, is a DeviceError.
int with_backend(const Arguments& arguments, const std::string& fallback, const Console& console,
                 const std::function<int(const kernels::RoutingBackend&)>& work);

}  // namespace tollgate
