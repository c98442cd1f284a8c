#include "sim/report/number_format.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "sim/base/text.h"

namespace tollgate {
namespace {

/// `digits` significant digits after rounding (0.9999 is "1.00"), but never fewer than the digits
/// before the point.
std::string about(double value, int digits) {
  if (std::fabs(value) < 1e-4) return significant(value, digits);
  int exponent = static_cast<int>(std::floor(std::log10(std::fabs(value))));
  const double unit = std::pow(10.0, exponent - digits + 1);
  if (std::round(std::fabs(value) / unit) * unit >= std::pow(10.0, exponent + 1)) ++exponent;
  return grouped(value, std::max(0, digits - 1 - exponent));
}

struct Scale {
  double from;
  double factor;
  const char* suffix;
};

template <std::size_t N>
std::string scaled_text(double value, const Scale (&scales)[N]) {
  for (const Scale& scale : scales) {
    // 999.6 of the smaller unit would print as 1,000: move up a little early.
    if (std::fabs(value) >= scale.from * 0.9995 || &scale == std::end(scales) - 1) {
      return about(value / scale.factor, 3) + scale.suffix;
    }
  }
  return "";
}

}  // namespace

std::string grouped(double value, int decimals) {
  std::string text = fixed(value, decimals);
  std::size_t point = text.find('.');
  if (point == std::string::npos) point = text.size();
  const std::size_t first = text[0] == '-' ? 1 : 0;
  for (std::size_t at = point; at > first + 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string count_text(double value) {
  if (!std::isfinite(value)) return "-";
  return value == 0 ? "0" : about(value, 3);
}

std::string seconds_text(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  if (seconds == 0) return "0 s";
  static constexpr Scale scales[] = {
      {7200, 3600, " h"}, {120, 60, " min"}, {1, 1, " s"}, {1e-3, 1e-3, " ms"}, {0, 1e-6, " us"}};
  return scaled_text(seconds, scales);
}

std::string bytes_text(double bytes) {
  if (!std::isfinite(bytes)) return "-";
  static constexpr Scale scales[] = {
      {1e12, 1e12, " TB"}, {1e9, 1e9, " GB"}, {1e6, 1e6, " MB"}, {1e3, 1e3, " kB"}, {0, 1, " B"}};
  return bytes == 0 ? "0 B" : scaled_text(bytes, scales);
}

std::string parameters_text(double parameters) {
  static constexpr Scale scales[] = {{1e12, 1e12, "T"}, {1e9, 1e9, "B"}, {0, 1e6, "M"}};
  return parameters == 0 ? "0" : scaled_text(parameters, scales);
}

std::string money_text(double usd) {
  if (!std::isfinite(usd)) return "-";
  if (usd == 0) return "0";
  if (std::fabs(usd) >= 1e4) return grouped(usd, 0);
  if (std::fabs(usd) >= 0.9995) return grouped(usd, 2);
  return about(usd, 3);
}

std::string percent_text(double fraction) {
  if (fraction > 0 && fraction < 0.005) return "<1 %";
  return fixed(fraction * 100, 0) + " %";
}

std::string ratio_text(double ratio) {
  return ratio >= 9.95 ? grouped(ratio, 0) : ratio >= 1.995 ? fixed(ratio, 1) : fixed(ratio, 2);
}

std::string batch_text(double sequences) {
  return sequences >= 9.95 || sequences == std::floor(sequences) ? grouped(sequences, 0)
                                                                 : count_text(sequences);
}

std::string glued(std::string text) {
  std::replace(text.begin(), text.end(), ' ', glue);
  return text;
}

std::string_view mark(Provenance provenance) {
  switch (provenance) {
    case Provenance::exact:
    case Provenance::fitted:
      return "";
    case Provenance::extrapolated:
      return "~";
    case Provenance::assumed:
      return "?";
  }
  return "";
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // C1 control characters are U+0080 to U+009F, in UTF-8 C2 80 to C2 9F.
    const bool c1 =
        c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7f || c1) {
      static constexpr char hex[] = "0123456789abcdef";
      const auto code = c1 ? static_cast<unsigned char>(text[++i]) : c;
      out.append("\\x").append(1, hex[code >> 4]).append(1, hex[code & 15]);
    } else {
      out += text[i];
    }
  }
  return out;
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace tollgate
