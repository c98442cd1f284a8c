#pragma once
/// Reads per-token trace files and tables of expert popularity; other formats: record.h.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/trace/trace.h"

namespace tollgate::kernels {

/// One file: one layer of one domain.
struct TraceFile {
  std::string domain;
  int layer = 0;  ///< only its order among the layers matters
  std::string path;
};

/// The files of a folder named <domain>_layer<number>.txt or .txt.gz, by domain and layer. Throws
/// std::invalid_argument if the folder cannot be read or has none.
std::vector<TraceFile> find_trace_files(const std::string& folder);

/// Reads the files, plain or gzip-compressed. A line is one sequence: expert ids separated by tabs
/// or blanks, `top_k` per token in order of position. An empty field (two tabs in a row) ends the
/// ids; what follows on the line is not read (deepseek-ai/ESFT writes gate weights there).
///
/// All layers must exist for all domains and agree on the lengths of the sequences.
/// Throws std::invalid_argument with a full sentence that names the file and the line: not a
/// number, an id beyond `experts`, an expert twice in a token, a line whose ids are not a multiple
/// of `top_k`, an empty line, an empty or damaged file.
RoutingTrace read_trace(const std::vector<TraceFile>& files, int experts, int top_k);

/// One layer of one domain from text already in memory; `name` stands in errors.
struct TraceLayer {
  std::vector<int> lengths;        ///< tokens of each sequence
  std::vector<std::uint16_t> ids;  ///< [token][slot]
};
TraceLayer parse_trace_layer(std::string_view text, const std::string& name, int experts,
                             int top_k);

/// Takes the domain and the layer out of <domain>_layer<number>.txt[.gz]; false for other names.
bool split_trace_name(std::string_view name, TraceFile& file);

/// Throws std::invalid_argument if the engine has no such number of experts and choices.
void check_trace_shape(int experts, int top_k);

/// How often experts were chosen.
struct ExpertCounts {
  std::vector<int> layer_ids;        ///< increasing; as in the file
  int experts = 0;                   ///< largest expert id + 1
  std::vector<std::int64_t> counts;  ///< [layer][expert]; 0 where the file says nothing
};

/// Reads CSV with a header line that has the columns layer_id, expert_id and activation_count, in
/// any order and among others; plain or gzip-compressed. These are columns of AIConfigurator's
/// expert-popularity tables (ai-dynamo/aiconfigurator, pull request 89), saved as CSV.
///
/// `experts` above 0 is the number of experts that every layer has, also when the last ones are
/// not in the table. Throws std::invalid_argument naming file and line: no such column, a missing
/// field, not a whole number of 0 or more, an expert that does not exist, a pair given twice; and a
/// layer without activations, no rows.
ExpertCounts read_expert_counts(const std::string& path, int experts = 0);
ExpertCounts parse_expert_counts(std::string_view text, const std::string& name, int experts = 0);

/// The whole content of a file, decompressed if it is gzip; at most 4 GiB. Throws
/// std::invalid_argument.
std::string read_text(const std::string& path);

}  // namespace tollgate::kernels
