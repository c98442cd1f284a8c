#pragma once

#include <string>
#include <string_view>

#include "sim/spec/yaml_tree.h"

namespace tollgate {

/// An amount as written: "4.5 CNY/Mtok" is {4.5, "CNY"} per "/Mtok".
struct Money {
  double amount = 0;
  std::string currency;  ///< three capital letters, ISO 4217
};

/// Reads a number that is not negative, a space, a currency and `per` ("/Mtok", "/h", "/month" or
/// ""). Throws InputError.
Money read_money(const YamlNode& node, const std::string& path, std::string_view per);

/// Three capital letters. Throws InputError.
std::string read_currency(const YamlNode& node, const std::string& path);

/// Whether a text is yyyy, yyyy-mm or yyyy-mm-dd with a day that exists.
bool is_date(const std::string& text);

/// Days of a month (1 to 12) in the Gregorian calendar.
int days_in(int year, int month);

/// An ISO date, month or year: 2026-07-02, 2026-07 or 2026. Throws InputError.
std::string read_date(const YamlNode& node, const std::string& path);

/// The first day of a date, month or year, for comparing: 2026-07 is 2026-07-01.
std::string first_day(const std::string& date);

}  // namespace tollgate
