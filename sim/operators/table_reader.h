#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/operators/table.h"

namespace tollgate {

/// The measurements of one operator, backend, precision, kernel and version on one device. Every
/// shape is there once; `key` and `version` of the samples are empty.
struct TableGroup {
  OperatorKey key;
  std::string version;
  std::vector<OperatorSample> samples;  ///< ordered by hash
  long long rows = 0;                   ///< read, before the cap and before repetitions are joined
  std::vector<double> low, high;        ///< of each column, over all rows
  long long disagreeing = 0;            ///< shapes whose repetitions differ by more than a quarter
};

struct OperatorTables {
  std::vector<TableGroup> groups;  ///< ordered by key and version
  long long rows = 0;
  long long other_systems = 0;            ///< rows of other devices
  std::vector<std::string> without_rows;  ///< files that hold no row of this device
};

/// Reads operator tables (CSV, plain or .gz) of the device `hardware`, a name of models/hardware;
/// `known` are all such names, to recognise the column `system` and the end `__SYSTEM` of a file's
/// name. The layout is recognised by the columns of the header; latency_ns, latency_ms and
/// latency_s are converted. At most `cap` shapes of a group are kept, those with the smallest hash.
/// Files are read in parallel; the result does not depend on it.
///
/// InputError with file and line: an unknown layout (with the columns that are missing), a latency
/// without a unit, a field that is no number, a latency of zero or below, repetitions of a shape
/// that differ by more than a quarter (Tollgate's own layout; elsewhere their mean or the fastest
/// is kept, see TableFormat, and they are counted), no row of this device in any file.
OperatorTables read_operator_tables(const std::vector<std::string>& files,
                                    const std::string& hardware,
                                    const std::vector<std::string>& known, std::size_t cap);

/// The name among `known` that a table means by "h100_sxm", "gb200" or "rtx_pro_6000_server"; "" if
/// none.
std::string hardware_of_system(std::string_view system, const std::vector<std::string>& known);

}  // namespace tollgate
