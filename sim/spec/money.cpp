#include "sim/spec/money.h"

#include <algorithm>

#include "sim/base/text.h"
#include "sim/spec/schema.h"

namespace tollgate {
namespace {

bool is_currency(std::string_view text) {
  return text.size() == 3 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

int days_in(int year, int month) {
  constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool is_date(const std::string& text) {
  if (text.size() != 4 && text.size() != 7 && text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  }
  const std::string full = first_day(text);
  const int year = std::stoi(full.substr(0, 4)), month = std::stoi(full.substr(5, 2)),
            day = std::stoi(full.substr(8, 2));
  return year >= 1900 && month >= 1 && month <= 12 && day >= 1 && day <= days_in(year, month);
}

Money read_money(const YamlNode& node, const std::string& path, std::string_view per) {
  const std::string text = scalar::text(node, path);
  const std::size_t space = text.find_first_of(" \t");
  const auto number = parse_number(text.substr(0, space));
  std::string_view unit = space == std::string::npos ? "" : std::string_view(text).substr(space);
  while (!unit.empty() && (unit.front() == ' ' || unit.front() == '\t')) unit.remove_prefix(1);
  const std::string example = "USD" + std::string(per);
  if (!number || unit.size() != 3 + per.size() || !is_currency(unit.substr(0, 3)) ||
      unit.substr(3) != per) {
    throw InputError(node.place, path + " must be an amount with its currency, such as '1.5 " +
                                     example + "', but is " + quote(text) + ".");
  }
  constexpr double too_large = 1e15;
  if (*number < 0 || *number > too_large) {
    throw InputError(node.place, path + " is " + text + ", but must be " +
                                     (*number < 0 ? "at least 0." : "at most 1e15."));
  }
  return {*number, std::string(unit.substr(0, 3))};
}

std::string read_currency(const YamlNode& node, const std::string& path) {
  std::string text = scalar::text(node, path);
  if (!is_currency(text)) {
    throw InputError(
        node.place,
        path + " must be a currency code of three capital letters, but is " + quote(text) + ".");
  }
  return text;
}

std::string read_date(const YamlNode& node, const std::string& path) {
  std::string text = scalar::text(node, path);
  if (!is_date(text)) {
    throw InputError(
        node.place,
        path + " must be a date such as 2026-07-02, 2026-07 or 2026, but is " + quote(text) + ".");
  }
  return text;
}

std::string first_day(const std::string& date) {
  return date.size() == 4 ? date + "-01-01" : date.size() == 7 ? date + "-01" : date;
}

}  // namespace tollgate
