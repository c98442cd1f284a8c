#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "sim/serving/engine/request_table.h"
#include "sim/spec/workload_spec.h"

namespace tollgate {

struct TraceOptions {
  TraceFormat format = TraceFormat::automatic;
  double speed = 1;                    ///< recorded seconds per second of the replay
  std::int64_t context = 100'000'000;  ///< tokens a prompt and its answer may have together
  std::int64_t requests = 0;           ///< only the first so many; 0: all
  double duration = 0;                 ///< only those of the first so many seconds; 0: all
};

struct RecordedTraffic {
  /// Time 0 is the first request's. Prompts whose blocks of tokens are named by hashes lie on
  /// streams, so that equal beginnings are found in the prefix cache.
  RequestTable table;
  TraceFormat format = TraceFormat::automatic;  ///< found
  std::int64_t failed = 0;  ///< rows without an answer, which are left out (BurstGPT)
};

/// Recorded requests, from a file or from .gz.
///
/// - azure: CSV with TIMESTAMP (date and time), ContextTokens, GeneratedTokens: Azure LLM inference
///   traces of 2023 and 2024 (Azure/AzurePublicDataset).
/// - mooncake: JSON lines with timestamp (ms), input_length, output_length and hash_ids, one per
/// 512
///   tokens of the prompt and everything before them (kvcache-ai/Mooncake, FAST25-release/traces).
/// - burstgpt: CSV with Timestamp (s), Request tokens, Response tokens (HPMLL/BurstGPT).
/// - sharegpt: CSV with arrival_s or arrival_ms, input_tokens, output_tokens and perhaps
/// hash_ids_N,
///   hashes as Mooncake's, between spaces.
///
/// Columns may stand in any order, others are ignored. Throws InputError with file and line: a
/// column that is missing, a broken line, a request before the one above it, one without tokens or
/// beyond the context, more than 53 days, no request at all.
RecordedTraffic read_trace(const std::filesystem::path& path, const TraceOptions& options);

/// The same of a text; `file` is its name in errors.
RecordedTraffic parse_trace(std::string_view text, const std::string& file,
                            const TraceOptions& options);

/// The file's name without folders and endings, for reports.
std::string trace_name(const std::filesystem::path& path);

}  // namespace tollgate
