#include "sim/base/csv.h"

#include <algorithm>

#include "sim/base/text.h"

namespace tollgate {
namespace {

/// Cuts a text into records, one call each.
class Records {
 public:
  Records(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  bool done() const { return at_ >= text_.size(); }
  int line() const { return line_; }

  std::vector<std::string> next() {
    std::vector<std::string> fields(1);
    bool quoted = false;
    const int first = line_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '\n') ++line_;
      if (quoted) {
        if (c != '"') {
          fields.back() += c;
        } else if (at_ < text_.size() && text_[at_] == '"') {
          fields.back() += text_[at_++];
        } else {
          quoted = false;
        }
      } else if (c == '"' && fields.back().empty()) {
        quoted = true;
      } else if (c == ',') {
        fields.emplace_back();
      } else if (c == '\n') {
        break;
      } else if (c != '\r' || (at_ < text_.size() && text_[at_] != '\n')) {
        fields.back() += c;
      }
    }
    if (quoted) throw InputError(Place{file_, first, 1}, "a quoted field does not end.");
    return fields;
  }

 private:
  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

CsvTable CsvTable::parse(std::string_view text, const std::string& file) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Records records(text, file);
  CsvTable table;
  table.file_ = file;
  if (records.done()) throw InputError(Place{file, 1, 1}, "the file is empty.");
  table.columns_ = records.next();
  for (std::size_t i = 0; i < table.columns_.size(); ++i) {
    const std::string& name = table.columns_[i];
    const Place place{file, 1, static_cast<int>(i) + 1};
    if (name.empty()) throw InputError(place, "a column of the header has no name.");
    if (!table.index_.emplace(name, static_cast<int>(i)).second)
      throw InputError(place, "the header names column " + quote(name) + " twice.");
  }
  while (!records.done()) {
    const int line = records.line();
    std::vector<std::string> fields = records.next();
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() != table.columns_.size()) {
      throw InputError(Place{file, line, 1}, "the line has " + std::to_string(fields.size()) +
                                                 " fields, the header " +
                                                 std::to_string(table.columns_.size()) + ".");
    }
    table.lines_.push_back(line);
    std::move(fields.begin(), fields.end(), std::back_inserter(table.fields_));
  }
  return table;
}

int CsvTable::index(std::string_view column) const {
  const auto found = index_.find(std::string(column));
  return found == index_.end() ? -1 : found->second;
}

bool CsvTable::has(std::string_view column) const { return index(column) >= 0; }

const std::string& CsvTable::text(std::size_t row, std::string_view column) const {
  static const std::string nothing;
  const int i = index(column);
  return i < 0 ? nothing : fields_[row * columns_.size() + static_cast<std::size_t>(i)];
}

Place CsvTable::place(std::size_t row, std::string_view column) const {
  return {file_, lines_[row], std::max(0, index(column)) + 1};
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace tollgate
