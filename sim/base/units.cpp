#include "sim/base/units.h"

#include <array>
#include <cmath>
#include <span>

#include "sim/base/text.h"

namespace tollgate {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double kibi = 1024.0;

// Largest decimal unit last: format_quantity takes the largest one that keeps the number >= 1.
constexpr std::array<Unit, 9> byte_units{{{"B", 1},
                                          {"kB", 1e3},
                                          {"MB", 1e6},
                                          {"GB", 1e9},
                                          {"TB", 1e12},
                                          {"KiB", kibi},
                                          {"MiB", kibi* kibi},
                                          {"GiB", kibi* kibi* kibi},
                                          {"TiB", kibi* kibi* kibi* kibi}}};
constexpr std::array<Unit, 9> bandwidth_units{{{"B/s", 1},
                                               {"kB/s", 1e3},
                                               {"MB/s", 1e6},
                                               {"GB/s", 1e9},
                                               {"TB/s", 1e12},
                                               {"Mbit/s", 1e6 / 8},
                                               {"Gbit/s", 1e9 / 8},
                                               {"Tbit/s", 1e12 / 8},
                                               {"GiB/s", kibi* kibi* kibi}}};
constexpr std::array<Unit, 4> compute_units{
    {{"GFLOP/s", 1e9}, {"TFLOP/s", 1e12}, {"PFLOP/s", 1e15}, {"FLOP/s", 1}}};
constexpr std::array<Unit, 6> time_units{
    {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}}};
constexpr std::array<Unit, 3> power_units{{{"W", 1}, {"kW", 1e3}, {"MW", 1e6}}};
constexpr std::array<Unit, 1> money_units{{{"USD", 1}}};
constexpr std::array<Unit, 1> price_units{{{"USD/h", 1}}};
constexpr std::array<Unit, 1> token_price_units{{{"USD/Mtok", 1}}};
constexpr std::array<Unit, 1> energy_price_units{{{"USD/kWh", 1}}};
constexpr std::array<Unit, 2> rate_units{{{"req/s", 1}, {"req/min", 1.0 / 60}}};
constexpr double day = 86400, week = 7 * day, year = 365 * day;
constexpr std::array<Unit, 9> token_rate_units{{{"tok/s", 1},
                                                {"tok/day", 1 / day},
                                                {"Mtok/day", 1e6 / day},
                                                {"Gtok/day", 1e9 / day},
                                                {"Ttok/week", 1e12 / week},
                                                {"Gtok/week", 1e9 / week},
                                                {"Ttok/year", 1e12 / year},
                                                {"Ptok/year", 1e15 / year},
                                                {"Ttok/day", 1e12 / day}}};

std::span<const Unit> units_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::bytes:
      return byte_units;
    case Dimension::bytes_per_second:
      return bandwidth_units;
    case Dimension::flops_per_second:
      return compute_units;
    case Dimension::seconds:
      return time_units;
    case Dimension::watts:
      return power_units;
    case Dimension::usd:
      return money_units;
    case Dimension::usd_per_hour:
      return price_units;
    case Dimension::usd_per_mtok:
      return token_price_units;
    case Dimension::usd_per_kwh:
      return energy_price_units;
    case Dimension::per_second:
      return rate_units;
    case Dimension::tokens_per_second:
      return token_rate_units;
  }
  return {};
}

std::string unit_list(Dimension dimension) {
  std::vector<std::string> names;
  for (const Unit& unit : units_of(dimension)) names.emplace_back(unit.name);
  return join(names);
}

}  // namespace

std::vector<std::string_view> accepted_units(Dimension dimension) {
  std::vector<std::string_view> names;
  for (const Unit& unit : units_of(dimension)) names.push_back(unit.name);
  return names;
}

std::optional<double> parse_quantity(std::string_view text, Dimension dimension, std::string* why) {
  const auto fail = [&](const std::string& sentence) {
    if (why) *why = sentence;
    return std::nullopt;
  };
  const std::size_t space = text.find_first_of(" \t");
  const std::string_view number = text.substr(0, space);
  std::string_view unit;
  if (space != std::string_view::npos) {
    unit = text.substr(space);
    while (!unit.empty() && (unit.front() == ' ' || unit.front() == '\t')) unit.remove_prefix(1);
  }
  const auto value = parse_number(number);
  if (!value) {
    const std::size_t digits = text.find_first_not_of("+-.0123456789");
    if (space == std::string_view::npos && digits != std::string_view::npos && digits > 0) {
      for (const Unit& known : units_of(dimension)) {
        if (known.name == text.substr(digits)) {
          return fail(quote(text) + " lacks the space before its unit; write '" +
                      std::string(text.substr(0, digits)) + " " + std::string(known.name) + "'");
        }
      }
    }
    return fail(quote(text) + " is not a number followed by a unit (" + unit_list(dimension) + ")");
  }
  if (unit.empty()) {
    return fail(quote(text) + " has no unit; write one of " + unit_list(dimension));
  }
  for (const Unit& known : units_of(dimension)) {
    if (known.name != unit) continue;
    const double si = *value * known.factor;
    if (!std::isfinite(si)) return fail(quote(text) + " is too large");
    return si;
  }
  std::vector<std::string> names;
  for (const Unit& known : units_of(dimension)) names.emplace_back(known.name);
  return fail("the unit " + quote(unit) + " is not one of " + unit_list(dimension) + "." +
              did_you_mean(unit, names));
}

std::string format_quantity(double si, Dimension dimension) {
  const auto units = units_of(dimension);
  if (units.size() == 1) return shortest(si) + " " + std::string(units[0].name);
  const Unit* best = &units[0];
  for (const Unit& unit : units) {
    const bool decimal =
        dimension == Dimension::seconds ||
        (unit.name.find('i') == std::string_view::npos && dimension != Dimension::per_second);
    if (decimal && std::fabs(si) >= unit.factor && unit.factor >= best->factor) best = &unit;
  }
  // Division and multiplication by the factor may differ in the last bit; 15 digits hide that.
  std::string number = significant(si / best->factor, 15);
  if (number.find('.') != std::string::npos && number.find('e') == std::string::npos) {
    number.erase(number.find_last_not_of('0') + 1);
    if (number.back() == '.') number.pop_back();
  }
  return number + " " + std::string(best->name);
}

std::string_view dimension_name(Dimension dimension) {
  switch (dimension) {
    case Dimension::bytes:
      return "bytes";
    case Dimension::bytes_per_second:
      return "bytes per second";
    case Dimension::flops_per_second:
      return "floating-point operations per second";
    case Dimension::seconds:
      return "time";
    case Dimension::watts:
      return "power";
    case Dimension::usd:
      return "money";
    case Dimension::usd_per_hour:
      return "money per hour";
    case Dimension::usd_per_mtok:
      return "money per million tokens";
    case Dimension::usd_per_kwh:
      return "money per energy";
    case Dimension::per_second:
      return "requests per second";
    case Dimension::tokens_per_second:
      return "tokens per second";
  }
  return "";
}

}  // namespace tollgate
