#include <algorithm>
#include <charconv>
#include <cmath>

#include "sim/base/error.h"
#include "sim/base/text.h"
#include "sim/operators/table.h"

namespace tollgate {
namespace {

constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

std::size_t index_of(std::span<const std::string> columns, std::string_view column) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] == column) return i;
  }
  return nowhere;
}

}  // namespace

bool TableRow::has(std::string_view column) const { return index_of(columns_, column) != nowhere; }

std::string_view TableRow::text(std::string_view column) const {
  const std::size_t at = index_of(columns_, column);
  if (at == nowhere) refuse("there is no column " + std::string(column) + ".");
  return fields_[at];
}

double TableRow::number(std::string_view column) const {
  const std::string_view field = text(column);
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value)) {
    refuse(std::string(column) + " is " + quote(field) + ", which is not a number.");
  }
  const bool latency = column == "latency_us";
  if (value < 0 || (latency && value == 0)) {
    refuse(std::string(column) + " is " + quote(field) + "; it must be " +
           (latency ? "above 0." : "at least 0."));
  }
  return latency ? value * scale_ : value;
}

double TableRow::number_or(std::string_view column, double otherwise) const {
  const std::size_t at = index_of(columns_, column);
  return at == nowhere || fields_[at].empty() ? otherwise : number(column);
}

void TableRow::refuse(const std::string& sentence) const {
  throw InputError(Place{file_, line_, 0}, sentence);
}

}  // namespace tollgate
