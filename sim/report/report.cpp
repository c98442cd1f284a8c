#include "sim/report/report.h"

#include "sim/report/csv_report.h"
#include "sim/report/focus_report.h"
#include "sim/report/json_report.h"
#include "sim/report/market_data.h"
#include "sim/report/market_text.h"
#include "sim/report/text_report.h"

namespace tollgate {

std::string render(const RunResult& result, Format format, const RenderOptions& options) {
  switch (format) {
    case Format::text:
      return text_report(result, options);
    case Format::json:
      return json_report(result);
    case Format::csv:
      return csv_report(result);
    case Format::focus:
      return focus_report(result);
  }
  return "";
}

std::string render(const MarketResult& result, Format format, const RenderOptions& options) {
  switch (format) {
    case Format::text:
      return market_text(result, options);
    case Format::json:
      return market_json(result);
    case Format::csv:
      return market_csv(result);
    case Format::focus:
      break;  // a market has no bill
  }
  return "";
}

}  // namespace tollgate
