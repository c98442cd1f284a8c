#include "sim/report/report.h"

#include "sim/report/csv_report.h"
#include "sim/report/focus_report.h"
#include "sim/report/json_report.h"
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

}  // namespace tollgate
