#pragma once

#include <string>

#include "sim/study/market_result.h"
#include "sim/study/run_result.h"

namespace tollgate {

enum class Format { text, json, csv, focus };

struct RenderOptions {
  bool colour =
      false;        ///< ANSI colours (text only); the caller knows whether it writes to a terminal
  int width = 110;  ///< columns at which running text is wrapped (text only)
  bool brief = false;  ///< only the table and the verdict (text only)
};

/// The whole output of a run in one of its formats, newline at the end. The bytes depend on nothing
/// but the arguments: no clock, no locale, no environment. Never throws for a RunResult whose
/// numbers are NaN or infinite: they are left out.
std::string render(const RunResult& result, Format format, const RenderOptions& options = {});

/// The same of a market scenario; nothing for `focus`, since it has no bill.
std::string render(const MarketResult& result, Format format, const RenderOptions& options = {});

}  // namespace tollgate
