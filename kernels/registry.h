#pragma once
/// Choosing a backend.

#include <span>
#include <string_view>

#include "kernels/backend.h"

namespace tollgate::kernels {

/// Every backend this program knows, by priority: cuda, tbb, reference. Those that cannot run on
/// this machine are listed too; ask `available()`.
std::span<const RoutingBackend* const> backends();

/// The backend called `choice`. "auto" takes the environment variable TOLLGATE_BACKEND if that is
/// set and not empty, else the first available one of `backends()`.
///
/// Throws std::invalid_argument with a full sentence if the name is unknown (naming the known ones)
/// or the backend cannot run here (saying why).
const RoutingBackend& find_backend(std::string_view choice);

}  // namespace tollgate::kernels
