#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate {

/// A comma-separated file with a header, plain or gzipped; no quoting.
class CsvTable {
 public:
  /// Throws InputError with file and line if the file is missing or a row is short.
  explicit CsvTable(const std::filesystem::path& path);

  std::size_t rows() const { return cells_.size() / columns_.size(); }
  /// Position of a column; InputError if there is none of that name.
  std::size_t column(std::string_view name) const;
  std::string_view text(std::size_t row, std::size_t column) const {
    return cells_[row * columns_.size() + column];
  }
  /// InputError if the cell is not a number.
  double number(std::size_t row, std::size_t column) const;

 private:
  std::string path_, bytes_;
  std::vector<std::string_view> columns_, cells_;
};

}  // namespace tollgate
