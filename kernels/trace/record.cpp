#include "kernels/trace/record.h"

#include <algorithm>
#include <filesystem>
#include <new>
#include <stdexcept>

#include "kernels/trace/counts_builder.h"
#include "kernels/trace/routed_experts.h"
#include "kernels/trace/sglang_record.h"
#include "kernels/trace/torch_file.h"
#include "kernels/trace/zip.h"

namespace tollgate::kernels {
namespace {

[[noreturn]] void fail(const std::string& sentence) { throw std::invalid_argument(sentence); }

std::string counted(std::int64_t n, const std::string& unit) {
  return std::to_string(n) + " " + unit + (n == 1 ? "" : "s");
}

/// What is in it, before what was said so far.
void describe(RoutingRecord& record) {
  std::string size;
  if (record.trace) {
    const RoutingTrace& trace = *record.trace;
    size = counted(trace.tokens(), "token") + " at " + counted(trace.layers, "layer") + ", " +
           counted(static_cast<std::int64_t>(trace.sequences.size()), "sequence");
    if (trace.domains.size() > 1) {
      size += " of " + std::to_string(trace.domains.size()) + " domains";
    }
  } else {
    std::int64_t sum = 0;
    for (const std::int64_t n : record.counts->counts) sum += n;
    size = counted(sum, "activation") + " at " +
           counted(static_cast<std::int64_t>(record.counts->layer_ids.size()), "layer");
  }
  const std::size_t end = std::min(record.description.find(';'), record.description.size());
  record.description.insert(end, ": " + size);
}

RoutingRecord from_one_file(std::string_view text, const std::string& name, int experts,
                            int top_k) {
  TraceFile file;
  RoutingRecord record;
  if (!split_trace_name(std::filesystem::path(name).filename().string(), file)) {
    file.domain = "recorded";
  }
  TraceLayer layer = parse_trace_layer(text, name, experts, top_k);
  RoutingTrace trace{experts, top_k, 1, {file.domain}, {}, std::move(layer.ids)};
  for (const int length : layer.lengths) trace.sequences.push_back({0, trace.tokens(), length});
  record.trace = std::move(trace);
  record.description = "per-token trace file";
  return record;
}

RoutingRecord from_csv(std::string_view text, const std::string& name, int experts, int top_k) {
  RoutingRecord record;
  record.format = RecordFormat::expert_counts_csv;
  record.counts = parse_expert_counts(text, name, experts);
  check_counts(*record.counts, top_k, name);
  record.description = "table of expert counts";
  return record;
}

RoutingRecord from_zip(std::string_view bytes, const std::string& name, int experts, int top_k) {
  std::vector<ZipMember> members = read_zip(bytes, name);
  if (!is_torch_file(members)) return read_routed_npz(members, name, experts, top_k);
  const TorchFile file(std::move(members), name);
  return is_sglang_record(file) ? read_sglang_record(file, experts, top_k)
                                : read_routed_torch(file, experts, top_k);
}

RoutingRecord dispatch(std::string_view bytes, const std::string& name, int experts, int top_k) {
  if (bytes.empty()) fail(name + " is empty.");
  if (bytes.starts_with("PK")) return from_zip(bytes, name, experts, top_k);
  if (bytes.starts_with("\x93NUMPY")) return read_routed_npy(bytes, name, experts, top_k);
  if (bytes.starts_with("\x80")) {
    fail(name +
         " is a bare pickle, which is not read since loading one may run code; write it "
         "with torch.save (1.6 or newer) or numpy.savez.");
  }
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) fail(name + " has nothing but blanks.");
  if (bytes[first] == '{' || bytes[first] == '[') {
    return read_routed_json(bytes, name, experts, top_k);
  }
  const std::string_view line = bytes.substr(0, bytes.find('\n'));
  if (line.find(',') != std::string_view::npos || line.find("layer_id") != std::string_view::npos) {
    return from_csv(bytes, name, experts, top_k);
  }
  if (bytes[first] >= '0' && bytes[first] <= '9') return from_one_file(bytes, name, experts, top_k);
  // An id with a sign is a trace too, with a mistake in it that has a line.
  if (bytes[first] == '-') return from_one_file(bytes, name, experts, top_k);
  fail(name +
       " is none of the records that can be read: per-token trace files, CSV with layer_id, "
       "expert_id and activation_count, SGLang's .pt and .json, vLLM's .npy, .npz and .json.");
}

}  // namespace

RoutingRecord parse_record(std::string_view bytes, const std::string& name, int experts,
                           int top_k) {
  check_trace_shape(experts, top_k);
  RoutingRecord record = dispatch(bytes, name, experts, top_k);
  describe(record);
  return record;
}

RoutingRecord read_record(const std::string& path, int experts, int top_k) {
  check_trace_shape(experts, top_k);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) fail("There is no file or folder " + path + ".");
  if (!std::filesystem::is_directory(path, error)) {
    try {
      return parse_record(read_text(path), path, experts, top_k);
    } catch (const std::bad_alloc&) {
      fail(path + " is too large for the memory of this machine.");
    }
  }
  RoutingRecord record;
  record.trace = read_trace(find_trace_files(path), experts, top_k);
  record.description = "per-token trace files";
  describe(record);
  return record;
}

const RoutingTrace& require_trace(const RoutingRecord& record, const std::string& path,
                                  const std::string& purpose) {
  if (!record.trace) {
    fail(path + " holds counts of experts, not the choices of tokens, so it cannot " + purpose +
         ".");
  }
  return *record.trace;
}

ExpertCounts counts_of(const RoutingRecord& record) {
  if (record.counts) return *record.counts;
  const RoutingTrace& trace = record.trace.value();
  ExpertCounts result;
  result.experts = trace.experts;
  result.counts.resize(static_cast<std::size_t>(trace.layers) *
                       static_cast<std::size_t>(trace.experts));
  for (int layer = 0; layer < trace.layers; ++layer) {
    result.layer_ids.push_back(layer);
    for (int token = 0; token < trace.tokens(); ++token) {
      for (const std::uint16_t id : trace.choice(layer, token)) {
        ++result.counts[static_cast<std::size_t>(layer) * static_cast<std::size_t>(trace.experts) +
                        id];
      }
    }
  }
  return result;
}

}  // namespace tollgate::kernels
