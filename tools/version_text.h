#pragma once

#include <string>

namespace tollgate {

/// Version, output formats, and each routing backend with whether it runs here, or why not.
std::string version_text();

}  // namespace tollgate
