#include "sim/operators/table_reader.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <exception>
#include <filesystem>
#include <map>
#include <tuple>

#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/operators/line_reader.h"
#include "sim/operators/shape_hash.h"

namespace tollgate {
namespace {

constexpr double agreement = 1.25;

struct Row {
  std::uint64_t hash;
  int line;
  TableFormat::Repetitions repetitions;
  const std::string* file;
  OperatorSample sample;
};

struct Group {
  std::vector<Row> rows;
  long long read = 0;
  std::vector<double> low, high;
  std::uint64_t limit = ~std::uint64_t{0};
  std::size_t trim_at = 4096;

  void widen(const std::vector<double>& from, const std::vector<double>& to) {
    if (low.empty()) {
      low = from;
      high = to;
    }
    for (std::size_t i = 0; i < low.size(); ++i) {
      low[i] = std::min(low[i], from[i]);
      high[i] = std::max(high[i], to[i]);
    }
  }

  /// Keeps the `cap` smallest hashes with all their repetitions.
  void trim(std::size_t cap) {
    if (rows.size() <= cap) return;
    std::vector<std::uint64_t> hashes;
    hashes.reserve(rows.size());
    for (const Row& row : rows) hashes.push_back(row.hash);
    std::sort(hashes.begin(), hashes.end());
    hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
    if (hashes.size() <= cap) return;
    limit = hashes[cap - 1];
    std::erase_if(rows, [&](const Row& row) { return row.hash > limit; });
  }
};

using GroupKey = std::pair<OperatorKey, std::string>;

struct FileContents {
  std::map<GroupKey, Group> groups;
  long long rows = 0, other_systems = 0;
  std::vector<std::string> systems;
};

void split(std::string_view line, std::vector<std::string_view>& fields) {
  fields.clear();
  while (true) {
    const std::size_t comma = line.find(',');
    std::string_view field = line.substr(0, comma);
    while (!field.empty() && (field.front() == ' ' || field.front() == '\t')) {
      field.remove_prefix(1);
    }
    while (!field.empty() && (field.back() == ' ' || field.back() == '\t')) field.remove_suffix(1);
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"') {
      field = field.substr(1, field.size() - 2);
    }
    fields.push_back(field);
    if (comma == std::string_view::npos) return;
    line.remove_prefix(comma + 1);
  }
}

std::string plain(std::string_view name) {
  std::string out;
  for (const unsigned char c : name) {
    if (std::isalnum(c)) out.push_back(static_cast<char>(std::tolower(c)));
  }
  return out;
}

bool contains(const std::vector<std::string>& columns, std::string_view name) {
  return std::find(columns.begin(), columns.end(), name) != columns.end();
}

struct Unit {
  std::string_view column;
  double in_us;
};
constexpr std::array<Unit, 3> other_units{
    {{"latency_ns", 1e-3}, {"latency_ms", 1e3}, {"latency_s", 1e6}}};

/// Renames a latency column in another unit to latency_us and returns its size in microseconds.
double take_unit(std::vector<std::string>& columns, const std::string& file) {
  for (const Unit& unit : other_units) {
    const auto found = std::find(columns.begin(), columns.end(), unit.column);
    if (found == columns.end()) continue;
    if (contains(columns, "latency_us")) {
      throw InputError({file, 1, 0}, "the columns latency_us and " + *found +
                                         " are both there; one latency is needed.");
    }
    *found = "latency_us";
    return unit.in_us;
  }
  for (const std::string& column : columns) {
    if (column == "latency" || column == "time" ||
        (column.starts_with("latency_") && column != "latency_us")) {
      throw InputError({file, 1, 0},
                       "the column " + quote(column) +
                           " does not say its unit; name it latency_us (or latency_ns, "
                           "latency_ms, latency_s).");
    }
  }
  return 1;
}

const TableFormat& format_of(const std::vector<std::string>& columns, const std::string& file) {
  const TableFormat* nearest = nullptr;
  std::vector<std::string> missing;
  for (const TableFormat& format : operator_tables()) {
    std::vector<std::string> lacking;
    for (const std::string_view column : format.columns) {
      if (!contains(columns, column)) lacking.emplace_back(column);
    }
    const bool excluded =
        std::any_of(format.absent.begin(), format.absent.end(),
                    [&](std::string_view column) { return contains(columns, column); });
    if (lacking.empty() && !excluded) return format;
    if (excluded) continue;
    const auto share = [](std::size_t lacks, const TableFormat& f) {
      return static_cast<double>(lacks) / static_cast<double>(f.columns.size());
    };
    if (!nearest || share(lacking.size(), format) < share(missing.size(), *nearest)) {
      nearest = &format;
      missing = lacking;
    }
  }
  if (!nearest || missing.size() == nearest->columns.size()) {
    throw InputError({file, 1, 0},
                     "this is not the header of an operator table; one begins with "
                     "op,backend,version,precision,kernel and ends with latency_us.");
  }
  throw InputError({file, 1, 0}, "the header looks like a table of the layout '" +
                                     std::string(nearest->name) + "' but lacks " + join(missing) +
                                     ".");
}

/// "h100_sxm" of "gemm__h100_sxm.csv.gz"; "" without a double underscore.
std::string system_in_name(const std::string& file) {
  const std::string name = std::filesystem::path(file).filename().string();
  const std::size_t at = name.rfind("__");
  if (at == std::string::npos) return "";
  return name.substr(at + 2, name.find('.', at) - at - 2);
}

FileContents read_file(const std::string& file, const std::string& hardware,
                       const std::vector<std::string>& known, std::size_t cap) {
  const std::string named = hardware_of_system(system_in_name(file), known);
  if (!named.empty() && named != hardware) {
    throw InputError({file, 0, 0},
                     "by its name this is a table of " + named + ", not of " + hardware + ".");
  }
  LineReader reader(file);
  std::string_view line;
  if (!reader.next(line) || line.empty()) throw InputError({file, 1, 0}, "the file has no header.");
  if (line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
  std::vector<std::string_view> fields;
  split(line, fields);
  std::vector<std::string> columns(fields.begin(), fields.end());
  const double scale = take_unit(columns, file);
  const TableFormat& format = format_of(columns, file);
  const auto system_column = std::find(columns.begin(), columns.end(), "system");
  const std::size_t system_at = static_cast<std::size_t>(system_column - columns.begin());

  FileContents contents;
  std::vector<OperatorSample> samples;
  std::map<std::string, bool, std::less<>> systems;
  while (reader.next(line)) {
    if (line.empty()) continue;
    split(line, fields);
    const int number = reader.number();
    if (fields.size() != columns.size()) {
      throw InputError({file, number, 0}, "this line has " + std::to_string(fields.size()) +
                                              " fields and the header " +
                                              std::to_string(columns.size()) + ".");
    }
    if (system_at < columns.size()) {
      auto found = systems.find(fields[system_at]);
      if (found == systems.end()) {
        const bool ours = hardware_of_system(fields[system_at], known) == hardware;
        found = systems.emplace(fields[system_at], ours).first;
      }
      if (!found->second) {
        ++contents.other_systems;
        continue;
      }
    }
    samples.clear();
    const TableRow row(file, number, columns, fields, scale);
    format.read(row, samples);
    ++contents.rows;
    for (OperatorSample& sample : samples) {
      if (!(sample.seconds > 0)) row.refuse("the latency is not above 0.");
      const std::uint64_t hash = shape_hash(sample.key.op, sample.shape, HashUse::subsample);
      Group& group = contents.groups[{std::move(sample.key), std::move(sample.version)}];
      ++group.read;
      group.widen(sample.shape, sample.shape);
      if (hash > group.limit) continue;
      sample.key = {};
      sample.version = {};
      group.rows.push_back({hash, number, format.repetitions, &file, std::move(sample)});
      if (group.rows.size() >= group.trim_at) {
        group.trim(cap);
        // Repetitions of the shapes kept may fill it again at once.
        group.trim_at = std::max(4 * cap, 2 * group.rows.size());
      }
    }
  }
  for (const auto& [system, ours] : systems) contents.systems.push_back(system);
  return contents;
}

/// Joins repetitions of a shape.
TableGroup joined(const GroupKey& key, Group& group, std::size_t cap) {
  group.trim(cap);
  std::sort(group.rows.begin(), group.rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.hash, a.sample.shape, *a.file, a.line) <
           std::tie(b.hash, b.sample.shape, *b.file, b.line);
  });
  TableGroup out;
  out.key = key.first;
  out.version = key.second;
  out.rows = group.read;
  out.low = group.low;
  out.high = group.high;
  for (std::size_t i = 0; i < group.rows.size();) {
    Row& first = group.rows[i];
    const Row *least = &first, *most = &first;
    double sum = 0;
    bool fastest = false;
    std::size_t end = i;
    for (; end < group.rows.size() && group.rows[end].sample.shape == first.sample.shape; ++end) {
      const Row& row = group.rows[end];
      sum += row.sample.seconds;
      if (row.sample.seconds < least->sample.seconds) least = &row;
      if (row.sample.seconds > most->sample.seconds) most = &row;
    }
    if (most->sample.seconds > agreement * least->sample.seconds) {
      using Repetitions = TableFormat::Repetitions;
      fastest = least->repetitions == Repetitions::fastest;
      if (least->repetitions == Repetitions::must_agree &&
          most->repetitions == Repetitions::must_agree) {
        throw InputError(Place{*most->file, most->line, 0},
                         "the same shape takes " + significant(1e6 * most->sample.seconds, 4) +
                             " us here and " + significant(1e6 * least->sample.seconds, 4) +
                             " us in line " + std::to_string(least->line) +
                             (least->file == most->file ? "" : " of " + *least->file) +
                             "; repetitions must agree within a quarter.");
      }
      ++out.disagreeing;
    }
    first.sample.seconds = fastest ? least->sample.seconds : sum / static_cast<double>(end - i);
    out.samples.push_back(std::move(first.sample));
    i = end;
  }
  return out;
}

}  // namespace

std::string hardware_of_system(std::string_view system, const std::vector<std::string>& known) {
  // Names under which operator tables are published.
  static const std::map<std::string, std::string, std::less<>> aliases{
      {"gb200", "gb200nvl72"},
      {"gb300", "gb300nvl72"},
      {"rtxpro6000server", "rtxpro6000"},
      {"rtxpro6000se", "rtxpro6000"},
      {"h100", "h100sxm"},
      {"h200", "h200sxm"},
      {"a100", "a100sxm"},
      {"b200", "b200sxm"},
      {"b300", "b300sxm"}};
  std::string wanted = plain(system);
  if (wanted.empty()) return "";
  if (const auto found = aliases.find(wanted); found != aliases.end()) wanted = found->second;
  for (const std::string& name : known) {
    if (plain(name) == wanted) return name;
  }
  return "";
}

OperatorTables read_operator_tables(const std::vector<std::string>& files,
                                    const std::string& hardware,
                                    const std::vector<std::string>& known, std::size_t cap) {
  std::vector<FileContents> contents(files.size());
  // The first file that is refused decides the message, whichever thread was first.
  std::vector<std::exception_ptr> errors(files.size());
  tbb::parallel_for(std::size_t{0}, files.size(), [&](std::size_t i) {
    try {
      contents[i] = read_file(files[i], hardware, known, cap);
    } catch (...) {
      errors[i] = std::current_exception();
    }
  });
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  OperatorTables tables;
  std::map<GroupKey, Group> groups;
  for (std::size_t i = 0; i < files.size(); ++i) {
    FileContents& file = contents[i];
    if (file.rows == 0) tables.without_rows.push_back(files[i]);
    tables.rows += file.rows;
    tables.other_systems += file.other_systems;
    for (auto& [key, group] : file.groups) {
      Group& all = groups[key];
      all.read += group.read;
      all.widen(group.low, group.high);
      std::move(group.rows.begin(), group.rows.end(), std::back_inserter(all.rows));
    }
  }
  if (tables.rows == 0) {
    throw InputError({files.front(), 0, 0}, contents.front().systems.empty()
                                                ? "the file has a header and no rows."
                                                : "no row is of " + hardware +
                                                      "; there are rows of " +
                                                      join(contents.front().systems) + ".");
  }
  for (auto& [key, group] : groups) tables.groups.push_back(joined(key, group, cap));
  return tables;
}

}  // namespace tollgate
