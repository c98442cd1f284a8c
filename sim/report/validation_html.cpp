#include "sim/report/validation_html.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/base/text.h"

namespace tollgate {
namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

/// Of Okabe and Ito (2008), told apart by everybody.
constexpr const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555"};

std::map<std::string, const char*> colours_of(const std::vector<RowPrediction>& rows) {
  std::map<std::string, const char*> out;
  for (const RowPrediction& p : rows) out[p.row.backend];
  std::size_t i = 0;
  for (auto& [name, colour] : out) colour = colours[std::min<std::size_t>(i++, 4)];
  return out;
}

constexpr double panel = 330, left = 62, top = 34, gap = 88;

/// Milliseconds on one axis of a panel.
struct Axis {
  double low = 0, high = 1;  ///< decades
  double at(double ms) const { return panel * (std::log10(ms) - low) / (high - low); }
};

std::string number(double v) { return fixed(v, 1); }

std::string text_at(double x, double y, const std::string& text, const char* anchor,
                    const std::string& more = "") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\"" +
         more + ">" + escaped(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
         "\" y2=\"" + number(y2) + "\" " + style + "/>\n";
}

std::string plot(const std::vector<RowPrediction>& rows, const std::string& title, double x0,
                 const Estimate RowPrediction::*estimate, const double MeasuredRow::*measured,
                 const std::map<std::string, const char*>& colour) {
  Axis axis{9, -9};
  for (const RowPrediction& p : rows) {
    if (!p.predicted || !(p.row.*measured > 0)) continue;
    for (const double ms : {1e3 * (p.*estimate).value, 1e3 * p.row.*measured}) {
      axis.low = std::min(axis.low, std::floor(std::log10(ms)));
      axis.high = std::max(axis.high, std::ceil(std::log10(ms)));
    }
  }
  if (axis.low >= axis.high) return "";
  const double bottom = top + panel;
  std::string out = text_at(x0 + panel / 2, top - 12, title, "middle", " font-weight=\"bold\"");
  for (double decade = axis.low; decade <= axis.high; ++decade) {
    const double along = panel * (decade - axis.low) / (axis.high - axis.low);
    const std::string label = shortest(std::pow(10.0, decade));
    out += line(x0 + along, top, x0 + along, bottom, "stroke=\"#ddd\"");
    out += line(x0, bottom - along, x0 + panel, bottom - along, "stroke=\"#ddd\"");
    out += text_at(x0 + along, bottom + 16, label, "middle");
    out += text_at(x0 - 6, bottom - along + 4, label, "end");
  }
  const double fifth = panel * std::log10(1.2) / (axis.high - axis.low);
  out += line(x0, bottom, x0 + panel, top, "stroke=\"#333\"");
  for (const double shift : {fifth, -fifth}) {
    const double from = std::max(0.0, -shift), to = std::min(panel, panel - shift);
    out += line(x0 + from, bottom - from - shift, x0 + to, bottom - to - shift,
                "stroke=\"#999\" stroke-dasharray=\"4 3\"");
  }
  for (const auto& [backend, stroke] : colour) {
    std::string path;
    for (const RowPrediction& p : rows) {
      if (!p.predicted || !(p.row.*measured > 0) || p.row.backend != backend) continue;
      path += "M" + number(x0 + axis.at(1e3 * p.row.*measured)) + " " +
              number(bottom - axis.at(1e3 * (p.*estimate).value)) + "h0";
    }
    if (path.empty()) continue;
    out += "<path d=\"" + path + "\" stroke=\"" + stroke +
           "\" stroke-width=\"4\" stroke-linecap=\"round\" stroke-opacity=\"0.45\"/>\n";
  }
  out += "<rect x=\"" + number(x0) + "\" y=\"" + number(top) + "\" width=\"" + number(panel) +
         "\" height=\"" + number(panel) + "\" fill=\"none\" stroke=\"#333\"/>\n";
  out += text_at(x0 + panel / 2, bottom + 36, "measured, ms", "middle");
  const std::string turned =
      " transform=\"rotate(-90 " + number(x0 - 46) + " " + number(top + panel / 2) + ")\"";
  out += text_at(x0 - 46, top + panel / 2, "predicted, ms", "middle", turned);
  return out;
}

std::string cell(const std::string& text) { return "<td>" + escaped(text) + "</td>"; }

std::string name_cell(const std::string& text) {
  return "<td class=\"name\">" + escaped(text) + "</td>";
}

std::string group_row(const ValidationGroup& g) {
  std::string out = "<tr>";
  for (const std::string& key : g.key) out += name_cell(key.empty() ? "-" : key);
  if (g.key.empty()) out += name_cell("all");
  out += cell(std::to_string(g.rows)) + cell(std::to_string(g.predicted));
  for (const ErrorSummary* e : {&g.tpot, &g.ttft, &g.throughput}) {
    for (const double v : {e->mape, e->median_ape, e->p90_ape, e->bias, e->coverage})
      out += cell(e->rows == 0 ? "-" : fixed(100 * v, 1));
  }
  return out + "</tr>\n";
}

std::string table(const std::vector<std::string>& keys, const std::vector<ValidationGroup>& rows) {
  std::string out = "<table><thead><tr>";
  for (const std::string& key : keys)
    out += "<th rowspan=\"2\" class=\"name\">" + escaped(key) + "</th>";
  out += "<th rowspan=\"2\">rows</th><th rowspan=\"2\">predicted</th>";
  for (const char* what : {"TPOT, %", "TTFT, %", "tokens/s/GPU, %"})
    out += std::string("<th colspan=\"5\">") + what + "</th>";
  out += "</tr>\n<tr>";
  for (int i = 0; i < 3; ++i) {
    for (const char* what : {"mean", "median", "P90", "bias", "in band"})
      out += std::string("<th>") + what + "</th>";
  }
  out += "</tr></thead><tbody>\n";
  for (const ValidationGroup& g : rows) out += group_row(g);
  return out + "</tbody></table>\n";
}

constexpr const char* style =
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1200px;padding:0 1rem;"
    "color:#222;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.2rem .4rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}"
    "th{border-bottom:1px solid #888} .name{text-align:left}"
    "svg{max-width:100%;height:auto}p{max-width:70ch}";

}  // namespace

std::string calibration_svg(const std::vector<RowPrediction>& rows) {
  const auto colour = colours_of(rows);
  const double width = left + panel + gap + panel + 30, height = top + panel + 72;
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width) +
                    " " + number(height) + "\" width=\"" + number(width) + "\" height=\"" +
                    number(height) +
                    "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n"
                    "<title>Predicted against measured latency</title>\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  out +=
      plot(rows, "time per output token", left, &RowPrediction::tpot, &MeasuredRow::tpot, colour);
  out += plot(rows, "time to first token", left + panel + gap, &RowPrediction::ttft,
              &MeasuredRow::ttft, colour);
  double x = left;
  for (const auto& [backend, stroke] : colour) {
    if (backend.empty()) continue;
    out += "<circle cx=\"" + number(x) + "\" cy=\"" + number(height - 12) + "\" r=\"4\" fill=\"" +
           stroke + "\"/>\n" + text_at(x + 9, height - 8, backend, "start");
    x += 24 + 7.5 * static_cast<double>(backend.size());
  }
  out += text_at(x + 10, height - 8, "lines: equal, and 20 % off either way", "start");
  return out + "</svg>\n";
}

std::string validation_html(const Validation& v, const std::string& title) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>" +
      escaped(title) + "</title><style>" + style + "</style></head><body>\n<h1>" + escaped(title) +
      "</h1>\n";
  out +=
      "<p>Errors are |predicted / measured - 1|; bias is the median of predicted / measured - 1; "
      "in band is the share of measurements inside P10-P90.</p>\n<div class=\"wide\">" +
      table({""}, {v.all}) + "</div>\n";
  out += "<h2>Predicted against measured</h2>\n" + calibration_svg(v.rows);
  if (!v.groups.empty()) {
    std::string by;
    for (const std::string& column : v.by) by += (by.empty() ? "" : ", ") + column;
    out += "<h2>By " + escaped(by) + "</h2>\n<div class=\"wide\">" + table(v.by, v.groups) +
           "</div>\n";
  }
  const std::vector<std::string> reasons = why_not_predicted(v);
  if (!reasons.empty()) out += "<h2>Not predicted</h2>\n<ul>\n";
  for (const std::string& why : reasons) out += "<li>" + escaped(why) + "</li>\n";
  if (!reasons.empty()) out += "</ul>\n";
  return out + "</body></html>\n";
}

}  // namespace tollgate
