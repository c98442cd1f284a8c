#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/spec/workload_spec.h"

namespace tollgate {

/// One recorded request.
struct TraceRow {
  std::int64_t at = 0;  ///< nanoseconds of the recording's own clock
  std::int64_t input = 0, output = 0;
  std::vector<std::uint64_t> hashes;  ///< of blocks of the prompt, each with all before it
};

/// Takes rows of one format apart. Its errors are sentences without a place.
class TraceRows {
 public:
  virtual ~TraceRows() = default;
  /// Fills `row`; throws InputError.
  virtual void read(std::string_view line, TraceRow& row) = 0;
  virtual bool has_header() const { return true; }
  virtual bool has_failures() const { return false; }  ///< rows without tokens are failed requests
  std::int64_t block_tokens() const { return block_tokens_; }

 protected:
  std::int64_t block_tokens_ = 0;  ///< of a hash; 0: there are none
};

/// The format that the first line shows; throws InputError if none does.
TraceFormat format_of(std::string_view first_line);

/// `header` is the first line. Throws InputError for a column that is missing.
std::unique_ptr<TraceRows> trace_rows(TraceFormat format, std::string_view header);

}  // namespace tollgate
