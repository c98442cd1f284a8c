#include "sim/serving/measured/csv_table.h"

#include <zlib.h>

#include <algorithm>
#include <memory>

#include "sim/base/error.h"
#include "sim/base/text.h"

namespace tollgate {
namespace {

std::string read_all(const std::string& path) {
  // gzread passes plain files through.
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw InputError(path + ": cannot be opened");
  std::string bytes;
  char block[1 << 16];
  for (int n; (n = gzread(file.get(), block, sizeof block)) != 0;) {
    if (n < 0) throw InputError(path + ": is not a whole gzip file");
    bytes.append(block, static_cast<std::size_t>(n));
  }
  return bytes;
}

}  // namespace

CsvTable::CsvTable(const std::filesystem::path& path)
    : path_(path.string()), bytes_(read_all(path_)) {
  std::string_view rest = bytes_;
  for (int line = 1; !rest.empty(); ++line) {
    std::string_view row = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), row.size() + 1));
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty()) continue;
    std::vector<std::string_view>& into = columns_.empty() ? columns_ : cells_;
    const std::size_t before = cells_.size();
    for (;;) {
      const std::size_t comma = row.find(',');
      into.push_back(row.substr(0, comma));
      if (comma == std::string_view::npos) break;
      row.remove_prefix(comma + 1);
    }
    if (line > 1 && cells_.size() - before != columns_.size()) {
      throw InputError({path_, line, 1}, "has " + std::to_string(cells_.size() - before) +
                                             " columns, the header has " +
                                             std::to_string(columns_.size()));
    }
  }
  if (columns_.empty()) throw InputError(path_ + ": is empty");
}

std::size_t CsvTable::column(std::string_view name) const {
  const auto at = std::find(columns_.begin(), columns_.end(), name);
  if (at == columns_.end()) throw InputError(path_ + ": has no column " + quote(name));
  return static_cast<std::size_t>(at - columns_.begin());
}

double CsvTable::number(std::size_t row, std::size_t column) const {
  const auto value = parse_number(text(row, column));
  if (!value) {
    throw InputError({path_, static_cast<int>(row) + 2, 1},
                     quote(text(row, column)) + " is not a number");
  }
  return *value;
}

}  // namespace tollgate
