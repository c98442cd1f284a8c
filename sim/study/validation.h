#pragma once

#include <string>
#include <vector>

#include "kernels/backend.h"
#include "sim/study/row_prediction.h"

namespace tollgate {

/// Errors of predictions against measurements, as fractions.
struct ErrorSummary {
  int rows = 0;  ///< predicted rows that were measured
  double mape = 0, median_ape = 0, p90_ape = 0;
  double bias = 0;      ///< median of predicted / measured - 1
  double coverage = 0;  ///< share of measurements inside P10-P90
};
ErrorSummary summarise_errors(const std::vector<const RowPrediction*>& rows,
                              const Estimate RowPrediction::*estimate,
                              const double MeasuredRow::*measured);

/// Rows that share the values of the grouping columns.
struct ValidationGroup {
  std::vector<std::string> key;
  int rows = 0, predicted = 0;
  ErrorSummary ttft, tpot, throughput;
};

struct Validation {
  std::vector<std::string> by;  ///< names of the grouping columns
  std::vector<RowPrediction> rows;
  ValidationGroup all;
  std::vector<ValidationGroup> groups;  ///< in order of their keys
};

/// Why rows have no prediction, a sentence for each reason with the row or how many there are.
std::vector<std::string> why_not_predicted(const Validation& validation);

/// Conditions a row must meet: column and the texts it may have; "" is an empty field.
using RowFilter = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// Predicts every row of the table that meets the filter. A row that cannot be read or predicted
/// keeps its reason and the rest goes on. Throws InputError for a filter or grouping column that
/// the table does not have. Rows run in parallel; the result does not depend on it.
Validation validate(const CsvTable& table, const RowFilter& where,
                    const std::vector<std::string>& by, Library& library,
                    const kernels::RoutingBackend& backend);

}  // namespace tollgate
