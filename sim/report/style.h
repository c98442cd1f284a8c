#pragma once

#include <string>

namespace tollgate {

enum class Style { plain, heading, good, bad, faint };

/// Wraps text in ANSI codes, or leaves it alone when colour is off.
class Painter {
 public:
  explicit Painter(bool colour) : colour_(colour) {}

  std::string operator()(const std::string& text, Style style) const {
    if (!colour_ || style == Style::plain || text.empty()) return text;
    static constexpr const char* codes[] = {"0", "1", "32", "31", "2"};
    return std::string("\x1b[") + codes[static_cast<int>(style)] + "m" + text + "\x1b[0m";
  }

 private:
  bool colour_;
};

}  // namespace tollgate
