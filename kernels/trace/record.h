#pragma once
/// Routing recorded by serving engines, whatever the file: one call tells the format and reads it.

#include <optional>
#include <string>
#include <string_view>

#include "kernels/trace/trace.h"
#include "kernels/trace/trace_reader.h"

namespace tollgate::kernels {

enum class RecordFormat { token_files, expert_counts_csv, sglang_recorder, vllm_routed_experts };

/// Either choices token by token or counts; never both.
struct RoutingRecord {
  RecordFormat format = RecordFormat::token_files;
  std::optional<RoutingTrace> trace;
  std::optional<ExpertCounts> counts;
  std::string description;  ///< one line: format, layers, tokens, what was left out
};

/// Reads a folder or a file, plain or gzip-compressed, and tells the format from its content:
///
///   token_files          a folder of <domain>_layer<number>.txt[.gz], or one such file: one line
///                        per sequence (see read_trace). A file without that name is one layer.
///   expert_counts_csv    a header with layer_id, expert_id, activation_count.
///   sglang_recorder      what SGLang's expert distribution recorder saves with torch.save: modes
///                        stat and stat_approx (logical_count), per_pass (counts per forward pass)
///                        and per_token; and {"logical_count": ...} as JSON, which
///                        --init-expert-location takes. See sglang_record.h.
///   vllm_routed_experts  arrays [token][layer][slot] of single requests: .npy, .npz, .pt, and
///                        API responses as JSON or as JSON lines. SGLang's responses with
///                        return_routed_experts too. See routed_experts.h.
///
/// Layers in which nothing was routed (dense ones, which both engines record as zeros or -1) and
/// tokens of padding are left out and counted in the description.
///
/// Throws std::invalid_argument with one sentence that names the file, and the line of a text file
/// or the member, request, token and layer of others: empty or damaged file, an id beyond
/// `experts`, an expert twice in a token, a number of choices other than `top_k`, negative counts,
/// an expert chosen more than once per token, a format that is not known.
RoutingRecord read_record(const std::string& path, int experts, int top_k);

/// The same for the content of one file in memory, not gzip-compressed; `name` stands in errors.
RoutingRecord parse_record(std::string_view bytes, const std::string& name, int experts, int top_k);

/// The choices of a record; throws std::invalid_argument if it has only counts. `purpose` ends the
/// sentence "... holds counts of experts, not the choices of tokens, so it cannot ".
const RoutingTrace& require_trace(const RoutingRecord& record, const std::string& path,
                                  const std::string& purpose);

/// How often a record's experts were chosen: its counts, or those of its trace.
ExpertCounts counts_of(const RoutingRecord& record);

}  // namespace tollgate::kernels
