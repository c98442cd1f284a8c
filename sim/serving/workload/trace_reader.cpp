#include "sim/serving/workload/trace_reader.h"

#include <zlib.h>

#include <algorithm>
#include <optional>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/text.h"
#include "sim/serving/workload/prefix_streams.h"
#include "sim/serving/workload/trace_rows.h"

namespace tollgate {
namespace {

constexpr std::size_t most_bytes = std::size_t{4} << 30;

std::string read_file(const std::filesystem::path& path) {
  if (path.extension() != ".gz") return read_text_file(path, most_bytes);
  read_text_file(path, most_bytes);  // its errors
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  std::string text;
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const int n = file ? gzread(file.get(), buffer.data(), 1 << 20) : -1;
    if (n < 0 || text.size() > most_bytes) {
      throw InputError({path.string()}, n < 0 ? "the file is not compressed as .gz says it is."
                                              : "the trace has more than 4 GiB.");
    }
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& file, const TraceOptions& options)
      : rest_(text), place_{file, 0, 0}, options_(options) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }

  RecordedTraffic run() {
    try {
      read_all();
    } catch (const InputError& error) {
      // Rows do not know where they stand.
      if (!error.place().file.empty()) throw;
      throw InputError(place_, error.what());
    }
    place_.line = place_.column = 0;
    if (out_.table.size() == 0) throw InputError(place_, "the trace has no requests.");
    return std::move(out_);
  }

 private:
  bool next_line(std::string_view& line) {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      line = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++place_.line;
      place_.column = 1;  // a row is wrong as a whole
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (!line.empty()) return true;
    }
    return false;
  }

  void read_all() {
    std::string_view line;
    if (!next_line(line)) return;
    out_.format = options_.format == TraceFormat::automatic ? format_of(line) : options_.format;
    const std::unique_ptr<TraceRows> rows = trace_rows(out_.format, line);
    if (rows->has_header() && !next_line(line)) return;
    if (rows->block_tokens() > 0) prefixes_.emplace(rows->block_tokens());
    TraceRow row;
    do {
      if (options_.requests > 0 && out_.table.size() >= options_.requests) return;
      rows->read(line, row);
      if (rows->has_failures() && (row.input == 0 || row.output == 0)) {
        ++out_.failed;
        continue;
      }
      if (!add(row)) return;
    } while (next_line(line));
  }

  /// False after the last request that is wanted.
  bool add(const TraceRow& row) {
    RequestTable& t = out_.table;
    if (t.size() == 0) first_ = last_ = row.at;
    if (row.at < last_) {
      throw InputError("the request comes " + shortest(static_cast<double>(last_ - row.at) / 1e9) +
                       " s before the one above it; a trace must be in order of arrival.");
    }
    last_ = row.at;
    const double ticks = static_cast<double>(row.at - first_) * 1e3 / options_.speed;
    if (options_.duration > 0 &&
        ticks >= options_.duration * static_cast<double>(ticks_per_second)) {
      return false;
    }
    if (ticks > static_cast<double>(latest_arrival)) {
      throw InputError(
          "the request comes more than 53 days after the first, beyond the simulator's "
          "clock; a higher 'speed' shortens that.");
    }
    if (row.input < 1) throw InputError("the request has no prompt tokens.");
    if (row.output < 1) throw InputError("the request generates no tokens.");
    if (row.input + row.output > options_.context) {
      throw InputError("the request needs " + std::to_string(row.input + row.output) +
                       " tokens, but there is room for " + std::to_string(options_.context) + ".");
    }
    if (t.size() == most_requests) throw InputError("the trace has more than 2^30 requests.");
    t.arrival.push_back(static_cast<Ticks>(ticks));
    t.input.push_back(static_cast<std::int32_t>(row.input));
    t.output.push_back(static_cast<std::int32_t>(row.output));
    if (prefixes_) {
      const PrefixStreams::Lies lies = prefixes_->add(row.hashes, row.input, t.streams);
      t.stream.push_back(lies.stream);
      t.shared.push_back(lies.shared);
    }
    return true;
  }

  static constexpr std::int32_t most_requests = 1 << 30;

  std::string_view rest_;
  Place place_;
  const TraceOptions& options_;
  std::optional<PrefixStreams> prefixes_;
  std::int64_t first_ = 0, last_ = 0;
  RecordedTraffic out_;
};

}  // namespace

RecordedTraffic parse_trace(std::string_view text, const std::string& file,
                            const TraceOptions& options) {
  return Reader(text, file, options).run();
}

std::string trace_name(const std::filesystem::path& path) {
  return (path.extension() == ".gz" ? path.stem() : path).stem().string();
}

RecordedTraffic read_trace(const std::filesystem::path& path, const TraceOptions& options) {
  return parse_trace(read_file(path), path.string(), options);
}

}  // namespace tollgate
