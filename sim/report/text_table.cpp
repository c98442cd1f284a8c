#include "sim/report/text_table.h"

#include <algorithm>

#include "sim/report/number_format.h"

namespace tollgate {
namespace {

constexpr std::size_t gap = 2;

std::string padded(const std::string& text, std::size_t width, TextTable::Align align) {
  const std::size_t used = display_width(text);
  const std::string fill(width > used ? width - used : 0, ' ');
  return align == TextTable::Align::left ? text + fill : fill + text;
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

void TextTable::column(std::string heading, Align align, std::string group) {
  columns_.push_back({std::move(heading), align, std::move(group)});
}

void TextTable::row(std::vector<std::string> cells) { rows_.push_back({std::move(cells), ""}); }

void TextTable::note(std::vector<std::string> cells, std::string text) {
  rows_.push_back({std::move(cells), std::move(text)});
}

std::vector<std::size_t> TextTable::widths() const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(display_width(column.heading));
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < row.cells.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row.cells[i]));
    }
  }
  // A group's heading may be wider than its columns: the last one makes room.
  for (std::size_t i = 0; i < columns_.size();) {
    std::size_t j = i, total = 0;
    while (j < columns_.size() && columns_[j].group == columns_[i].group)
      total += widths[j++] + gap;
    const std::size_t needed = display_width(columns_[i].group);
    if (!columns_[i].group.empty() && needed + gap > total) widths[j - 1] += needed + gap - total;
    i = j;
  }
  return widths;
}

std::vector<std::string> TextTable::head() const {
  const auto width = widths();
  std::string groups, headings;
  bool any_group = false;
  for (std::size_t i = 0; i < columns_.size();) {
    std::size_t j = i, span = 0;
    while (j < columns_.size() &&
           (j == i || (!columns_[i].group.empty() && columns_[j].group == columns_[i].group))) {
      span += width[j] + gap;
      ++j;
    }
    any_group = any_group || !columns_[i].group.empty();
    const bool right = columns_[i].align == Align::right;
    groups += padded(columns_[i].group, span - gap, right ? Align::right : Align::left) +
              std::string(gap, ' ');
    i = j;
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    headings += padded(columns_[i].heading, width[i], columns_[i].align) + std::string(gap, ' ');
  }
  std::vector<std::string> lines;
  if (any_group) lines.push_back(trimmed(groups));
  lines.push_back(trimmed(headings));
  return lines;
}

std::vector<std::string> TextTable::body() const {
  const auto width = widths();
  std::vector<std::string> lines;
  for (const Row& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!row.note.empty() && i >= row.cells.size()) break;
      line += padded(i < row.cells.size() ? row.cells[i] : "", width[i], columns_[i].align) +
              std::string(gap, ' ');
    }
    lines.push_back(trimmed(line + row.note));
  }
  return lines;
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t start,
                    std::size_t indent) {
  std::string out;
  std::size_t column = start;
  bool line_start = true;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find(' ', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    const std::size_t size = display_width(word);
    if (!line_start && column + 1 + size > width) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
      line_start = true;
    }
    if (!line_start) {
      out += ' ';
      ++column;
    }
    out += word;
    column += size;
    line_start = false;
  }
  std::replace(out.begin(), out.end(), glue, ' ');
  return out;
}

}  // namespace tollgate
