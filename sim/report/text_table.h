#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tollgate {

/// A table for the terminal: columns as wide as their longest cell, two spaces between them, no
/// trailing spaces. Numbers go right, text goes left.
class TextTable {
 public:
  enum class Align { left, right };

  /// Equal neighbouring groups that are not empty share one heading above their columns.
  void column(std::string heading, Align align, std::string group = "");
  /// Missing cells at the end are empty.
  void row(std::vector<std::string> cells);
  /// A row that is one text from the column `from` on, which does not widen the columns.
  void note(std::vector<std::string> cells, std::string text);

  /// The headings, one or two lines, each without the newline.
  std::vector<std::string> head() const;
  /// The rows, in order.
  std::vector<std::string> body() const;

 private:
  struct Column {
    std::string heading;
    Align align;
    std::string group;
  };
  struct Row {
    std::vector<std::string> cells;
    std::string note;
  };
  std::vector<std::size_t> widths() const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

/// `text` in lines of at most `width` columns, broken at spaces but not at `glue`
/// (number_format.h), which becomes a space; every line after the first begins
/// with `indent` spaces. The first line is taken to start at column `start`.
std::string wrapped(std::string_view text, std::size_t width, std::size_t start,
                    std::size_t indent);

}  // namespace tollgate
