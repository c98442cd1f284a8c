#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/operators/sample.h"

namespace tollgate {

/// One line of a CSV file under its header. Errors are InputError with file, line and column.
class TableRow {
 public:
  TableRow(const std::string& file, int line, std::span<const std::string> columns,
           std::span<const std::string_view> fields)
      : file_(file), line_(line), columns_(columns), fields_(fields) {}

  bool has(std::string_view column) const;
  std::string_view text(std::string_view column) const;               ///< the column must exist
  double number(std::string_view column) const;                       ///< finite and at least 0
  double number_or(std::string_view column, double otherwise) const;  ///< if absent or empty

  /// InputError "file:line: sentence".
  [[noreturn]] void refuse(const std::string& sentence) const;

 private:
  const std::string& file_;
  int line_;
  std::span<const std::string> columns_;
  std::span<const std::string_view> fields_;
};

/// A layout of measured operator times, recognised by its columns.
struct TableFormat {
  std::string_view name;
  std::vector<std::string_view> columns;  ///< all must be there, for the format to be recognised
  std::vector<std::string_view> absent;   ///< none may be there
  /// Appends the samples of a row, none if the row is of no use (say why in `note`).
  std::function<void(const TableRow& row, std::vector<OperatorSample>& out)> read;
};

/// The formats known, the more particular ones first.
std::span<const TableFormat> operator_tables();

}  // namespace tollgate
