#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/operators/sample.h"

namespace tollgate {

/// One line of a CSV file under its header. Errors are InputError with file, line and column.
/// `latency_scale` turns the file's unit of the column latency_us into microseconds.
class TableRow {
 public:
  TableRow(const std::string& file, int line, std::span<const std::string> columns,
           std::span<const std::string_view> fields, double latency_scale = 1)
      : file_(file), line_(line), columns_(columns), fields_(fields), scale_(latency_scale) {}

  std::string_view file() const { return file_; }
  bool has(std::string_view column) const;
  std::string_view text(std::string_view column) const;  ///< the column must exist
  double number(std::string_view column) const;  ///< finite and at least 0; latency_us above 0
  double number_or(std::string_view column, double otherwise) const;  ///< if absent or empty

  /// InputError "file:line: sentence".
  [[noreturn]] void refuse(const std::string& sentence) const;

 private:
  const std::string& file_;
  int line_;
  std::span<const std::string> columns_;
  std::span<const std::string_view> fields_;
  double scale_;
};

/// A layout of measured operator times, recognised by its columns.
struct TableFormat {
  std::string_view name;
  std::vector<std::string_view> columns;  ///< all must be there, for the format to be recognised
  std::vector<std::string_view> absent;   ///< none may be there
  /// Appends the samples of a row, none if the row is of no use.
  std::function<void(const TableRow& row, std::vector<OperatorSample>& out)> read;
  /// What becomes of repetitions of a shape that differ by more than a quarter.
  enum class Repetitions {
    mean,       ///< their mean is taken
    fastest,    ///< the fastest: what disturbs a call only adds to it
    must_agree  ///< an error
  };
  Repetitions repetitions = Repetitions::mean;
};

/// The formats known, the more particular ones first.
std::span<const TableFormat> operator_tables();

/// Tollgate's own layout, for any operator: op, backend, version, precision, kernel, the columns of
/// the operator's curve, latency_us; columns of other operators stay empty.
TableFormat own_table();

/// Published layouts of collectives and expert exchanges: aiconfigurator's tables of NCCL, custom
/// all-reduces, DeepEP and TensorRT-LLM's all-to-all.
std::vector<TableFormat> collective_tables();

}  // namespace tollgate
