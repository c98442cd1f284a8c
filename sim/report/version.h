#pragma once

#include <string_view>

namespace tollgate {

/// Version of the program; equals the version of the CMake project.
inline constexpr std::string_view tool_version = "0.1.0";

/// Version of the JSON and CSV output of `tollgate run`, apart from the program's: the first number
/// grows when a reader of the old output would break, the second when something is added.
inline constexpr std::string_view run_format_version = "1.1";

/// The same of `tollgate validate`. 2: without `within_peak` and `beyond_peak`, whose rows are in
/// `not_predicted`.
inline constexpr std::string_view validation_format_version = "2.0";

}  // namespace tollgate
