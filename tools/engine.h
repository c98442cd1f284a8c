#pragma once

#include <functional>
#include <string>

#include "kernels/registry.h"
#include "tools/arguments.h"

namespace tollgate {

/// Finds the routing backend of `--backend` (else `fallback`) and runs `work` with it under
/// `--threads`. A backend that cannot run here, or whose device fails, is a DeviceError.
int with_backend(const Arguments& arguments, const std::string& fallback,
                 const std::function<int(const kernels::RoutingBackend&)>& work);

}  // namespace tollgate
