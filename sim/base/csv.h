#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/base/error.h"

namespace tollgate {

/// A CSV text with a header line (RFC 4180: fields in quotes may hold commas, line ends and doubled
/// quotes; LF or CRLF). Values are kept as text.
class CsvTable {
 public:
  /// Throws InputError with file and line: no header, a column named twice or without a name, a
  /// row with more or fewer fields than the header, a quote that does not close.
  static CsvTable parse(std::string_view text, const std::string& file);

  const std::vector<std::string>& columns() const { return columns_; }
  std::size_t rows() const { return lines_.size(); }
  bool has(std::string_view column) const;

  /// The text of a field; "" where the table has no such column.
  const std::string& text(std::size_t row, std::string_view column) const;

  /// The header line.
  Place header_place() const { return {file_, 1, 1}; }

  /// Where a field stands: file, line and number of its column, for errors.
  Place place(std::size_t row, std::string_view column) const;

 private:
  int index(std::string_view column) const;

  std::string file_;
  std::vector<std::string> columns_;
  std::unordered_map<std::string, int> index_;
  std::vector<int> lines_;
  std::vector<std::string> fields_;  ///< [row][column]
};

/// A field in CSV: in quotes where it has to be.
std::string csv_field(std::string_view text);

}  // namespace tollgate
