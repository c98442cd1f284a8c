#pragma once

#include <string>

#include "sim/study/run_result.h"

namespace tollgate {

/// RFC 4180 (CRLF, quotes where needed): a header line with units in the names, then one row per
/// candidate in scenario order. Fields that are not known are empty.
std::string csv_report(const RunResult& result);

}  // namespace tollgate
