#include "kernels/trace/trace_reader.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "kernels/core/gate_spec.h"
#include "kernels/trace/integer_array.h"

namespace tollgate::kernels {
namespace {

[[noreturn]] void fail(const std::string& sentence) { throw std::invalid_argument(sentence); }

std::string place(const std::string& name, int line) {
  return name + ", line " + std::to_string(line) + ": ";
}

/// Takes the next line off the text, without its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

bool to_number(std::string_view field, std::int64_t& value) {
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error == std::errc() && end == field.data() + field.size();
}

/// Appends one sequence; returns its number of tokens.
int parse_sequence(std::string_view line, const std::string& where, int experts, int top_k,
                   std::vector<std::uint16_t>& ids) {
  const std::size_t before = ids.size();
  bool after_tab = true;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find_first_of("\t "), line.size());
    const std::string_view field = line.substr(0, end);
    const bool tab = end < line.size() && line[end] == '\t';
    line.remove_prefix(std::min(end + 1, line.size()));
    if (field.empty()) {
      if (after_tab && tab && ids.size() > before) break;  // an empty field: weights follow
      after_tab = after_tab || tab;
      continue;
    }
    after_tab = tab;
    std::int64_t id = 0;
    if (!to_number(field, id)) fail(where + "\"" + shown(field) + "\" is not an expert id.");
    if (id < 0 || id >= experts) {
      fail(where + "expert " + std::to_string(id) + " does not exist; ids are 0 to " +
           std::to_string(experts - 1) + ".");
    }
    const std::size_t slot = (ids.size() - before) % static_cast<std::size_t>(top_k);
    const auto token_begin = ids.end() - static_cast<std::ptrdiff_t>(slot);
    if (std::find(token_begin, ids.end(), static_cast<std::uint16_t>(id)) != ids.end()) {
      fail(where + "a token has expert " + std::to_string(id) + " twice (token " +
           std::to_string((ids.size() - before) / static_cast<std::size_t>(top_k)) +
           "); is top_k really " + std::to_string(top_k) + "?");
    }
    ids.push_back(static_cast<std::uint16_t>(id));
  }
  const std::size_t count = ids.size() - before;
  if (count == 0) fail(where + "the line has no expert ids.");
  if (count % static_cast<std::size_t>(top_k) != 0) {
    fail(where + std::to_string(count) + " expert ids are not a multiple of top_k = " +
         std::to_string(top_k) + "; the line is cut short or has another top_k.");
  }
  return static_cast<int>(count / static_cast<std::size_t>(top_k));
}

std::vector<std::string_view> split_commas(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t end = line.find(',');
    std::string_view field = line.substr(0, end);
    while (!field.empty() && (field.front() == ' ' || field.front() == '"')) field.remove_prefix(1);
    while (!field.empty() && (field.back() == ' ' || field.back() == '"')) field.remove_suffix(1);
    fields.push_back(field);
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

constexpr std::int64_t kMaxCount = std::int64_t{1} << 40;
// Keeps the number of tokens within an int, whatever top_k.
constexpr std::size_t kMaxText = (std::size_t{1} << 32) - 1024;

}  // namespace

bool split_trace_name(std::string_view name, TraceFile& file) {
  if (name.ends_with(".gz")) name.remove_suffix(3);
  if (!name.ends_with(".txt")) return false;
  name.remove_suffix(4);
  const std::size_t at = name.rfind("_layer");
  if (at == std::string_view::npos || at == 0 || name.size() > at + 10) return false;
  std::int64_t number = 0;
  if (!to_number(name.substr(at + 6), number) || number < 0) return false;
  file.domain = std::string(name.substr(0, at));
  file.layer = static_cast<int>(number);
  return true;
}

void check_trace_shape(int experts, int top_k) {
  if (experts < 1 || experts > kMaxExperts || top_k < 1 || top_k > std::min(kMaxTopK, experts)) {
    fail("A trace with " + std::to_string(experts) +
         " experts and top_k = " + std::to_string(top_k) + " is beyond the engine's limits.");
  }
}

std::string read_text(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) fail(path + " is not a file that can be read.");
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) fail(path + " cannot be opened.");
  std::string text;
  std::vector<char> buffer(1 << 16);
  for (;;) {
    const int got = gzread(file.get(), buffer.data(), static_cast<unsigned>(buffer.size()));
    int code = Z_OK;
    const std::string reason = gzerror(file.get(), &code);
    if (got < 0 || code == Z_BUF_ERROR || code == Z_DATA_ERROR) {
      fail(path + " is damaged: " + (reason.empty() ? "unexpected end of file" : reason) + ".");
    }
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxText) fail(path + " is larger than 4 GiB.");
  }
}

std::vector<TraceFile> find_trace_files(const std::string& folder) {
  std::error_code error;
  std::vector<TraceFile> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    TraceFile file{"", 0, entry.path().string()};
    if (split_trace_name(entry.path().filename().string(), file)) files.push_back(std::move(file));
  }
  if (error) fail("The folder " + folder + " cannot be read: " + error.message() + ".");
  if (files.empty()) {
    fail("The folder " + folder + " has no files named <domain>_layer<number>.txt or .txt.gz.");
  }
  std::sort(files.begin(), files.end(), [](const TraceFile& a, const TraceFile& b) {
    return std::tie(a.domain, a.layer, a.path) < std::tie(b.domain, b.layer, b.path);
  });
  return files;
}

TraceLayer parse_trace_layer(std::string_view text, const std::string& name, int experts,
                             int top_k) {
  check_trace_shape(experts, top_k);
  TraceLayer layer;
  for (int line = 1; !text.empty(); ++line) {
    layer.lengths.push_back(
        parse_sequence(take_line(text), place(name, line), experts, top_k, layer.ids));
  }
  if (layer.lengths.empty()) fail(name + " is empty.");
  return layer;
}

RoutingTrace read_trace(const std::vector<TraceFile>& files, int experts, int top_k) {
  std::set<int> layer_ids;
  std::map<std::string, std::map<int, const TraceFile*>> by_domain;
  for (const TraceFile& file : files) {
    layer_ids.insert(file.layer);
    const auto [at, fresh] = by_domain[file.domain].insert({file.layer, &file});
    if (!fresh) {
      fail("Both " + at->second->path + " and " + file.path + " are layer " +
           std::to_string(file.layer) + " of " + file.domain + ".");
    }
  }
  if (files.empty()) fail("There are no trace files to read.");
  for (const auto& [domain, layers] : by_domain) {
    for (const int id : layer_ids) {
      if (!layers.contains(id)) {
        fail("Layer " + std::to_string(id) + " of " + domain +
             " is missing, though another domain has it.");
      }
    }
  }

  RoutingTrace trace;
  trace.experts = experts;
  trace.top_k = top_k;
  trace.layers = static_cast<int>(layer_ids.size());
  for (const auto& [domain, layers] : by_domain) trace.domains.push_back(domain);
  bool first_layer = true;
  for (const int id : layer_ids) {
    std::size_t sequence = 0;
    for (std::size_t d = 0; d < trace.domains.size(); ++d) {
      const std::string& path = by_domain[trace.domains[d]][id]->path;
      const TraceLayer layer = parse_trace_layer(read_text(path), path, experts, top_k);
      for (std::size_t i = 0; i < layer.lengths.size(); ++i, ++sequence) {
        if (first_layer) {
          if (layer.lengths[i] > std::numeric_limits<int>::max() - trace.tokens()) {
            fail("There are more than 2^31 tokens at a layer.");
          }
          trace.sequences.push_back({static_cast<int>(d), trace.tokens(), layer.lengths[i]});
        } else if (sequence >= trace.sequences.size() ||
                   trace.sequences[sequence].domain != static_cast<int>(d) ||
                   trace.sequences[sequence].tokens != layer.lengths[i]) {
          fail(place(path, static_cast<int>(i) + 1) +
               "the sequence has another length than at the first layer, or is not there.");
        }
      }
      if (!first_layer && sequence < trace.sequences.size() &&
          trace.sequences[sequence].domain == static_cast<int>(d)) {
        fail(path + " has fewer sequences than the first layer.");
      }
      trace.ids.insert(trace.ids.end(), layer.ids.begin(), layer.ids.end());
    }
    first_layer = false;
  }
  return trace;
}

ExpertCounts parse_expert_counts(std::string_view text, const std::string& name, int experts) {
  static constexpr const char* kColumns[3] = {"layer_id", "expert_id", "activation_count"};
  if (text.empty()) fail(name + " is empty.");
  const auto header = split_commas(take_line(text));
  std::size_t column[3];
  for (int c = 0; c < 3; ++c) {
    const auto at = std::find(header.begin(), header.end(), kColumns[c]);
    if (at == header.end()) {
      fail(place(name, 1) + "the header has no column " + kColumns[c] + ".");
    }
    column[c] = static_cast<std::size_t>(at - header.begin());
  }
  std::map<std::int64_t, std::map<std::int64_t, std::int64_t>> rows;
  std::int64_t last_expert = -1;
  for (int line = 2; !text.empty(); ++line) {
    const std::string_view row = take_line(text);
    if (row.empty()) {
      if (text.empty()) break;
      fail(place(name, line) + "the line is empty.");
    }
    const auto fields = split_commas(row);
    std::int64_t value[3];
    for (int c = 0; c < 3; ++c) {
      if (column[c] >= fields.size()) {
        fail(place(name, line) + "the line is short: " + kColumns[c] + " is missing.");
      }
      if (!to_number(fields[column[c]], value[c]) || value[c] < 0) {
        fail(place(name, line) + kColumns[c] + " is \"" + shown(fields[column[c]]) +
             "\"; it must be a whole number, 0 or more.");
      }
    }
    if (value[1] >= kMaxExperts) {
      fail(place(name, line) + "expert " + std::to_string(value[1]) + " is beyond the limit of " +
           std::to_string(kMaxExperts) + " experts.");
    }
    if (experts > 0 && value[1] >= experts) {
      fail(place(name, line) + "expert " + std::to_string(value[1]) +
           " does not exist; ids are 0 to " + std::to_string(experts - 1) + ".");
    }
    if (value[0] > INT32_MAX) fail(place(name, line) + "layer_id is too large.");
    if (value[2] >= kMaxCount) fail(place(name, line) + "activation_count is beyond 2^40.");
    if (!rows[value[0]].insert({value[1], value[2]}).second) {
      fail(place(name, line) + "layer " + std::to_string(value[0]) + ", expert " +
           std::to_string(value[1]) + " was given before.");
    }
    last_expert = std::max(last_expert, value[1]);
  }
  if (rows.empty()) fail(name + " has a header and no rows.");
  ExpertCounts counts;
  counts.experts = experts > 0 ? experts : static_cast<int>(last_expert) + 1;
  for (const auto& [layer, row] : rows) {
    counts.layer_ids.push_back(static_cast<int>(layer));
    const std::size_t base = counts.counts.size();
    counts.counts.resize(base + static_cast<std::size_t>(counts.experts));
    std::int64_t sum = 0;
    for (const auto& [expert, count] : row) {
      counts.counts[base + static_cast<std::size_t>(expert)] = count;
      sum += count;
    }
    if (sum == 0) fail(name + ": layer " + std::to_string(layer) + " has no activations.");
  }
  return counts;
}

ExpertCounts read_expert_counts(const std::string& path, int experts) {
  return parse_expert_counts(read_text(path), path, experts);
}

}  // namespace tollgate::kernels
