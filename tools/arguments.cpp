#include "tools/arguments.h"

#include <charconv>

#include "sim/base/error.h"
#include "sim/base/text.h"

namespace tollgate {

std::string Arguments::text(const std::string& name) const {
  if (const auto found = values_.find(name); found != values_.end()) return found->second.back();
  const auto usual = defaults_.find(name);
  return usual == defaults_.end() ? "" : usual->second;
}

std::vector<std::string> Arguments::texts(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>{} : found->second;
}

long long Arguments::to_integer(const std::string& name, const std::string& value, long long low,
                                long long high) const {
  long long number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < low || number > high) {
    throw InputError("tollgate " + command_ + ": " + name + " must be a whole number from " +
                     std::to_string(low) + " to " + std::to_string(high) + ", but is " +
                     quote(value) + ".");
  }
  return number;
}

long long Arguments::integer(const std::string& name, long long low, long long high) const {
  return to_integer(name, text(name), low, high);
}

double Arguments::number(const std::string& name, double low, double high) const {
  const std::string value = text(name);
  const auto number = parse_number(value);
  if (!number || *number < low || *number > high) {
    throw InputError("tollgate " + command_ + ": " + name + " must be a number from " +
                     shortest(low) + " to " + shortest(high) + ", but is " + quote(value) + ".");
  }
  return *number;
}

std::vector<int> Arguments::integers(const std::string& name, int low, int high) const {
  std::vector<int> numbers;
  std::string rest = text(name);
  for (std::size_t at = 0; at <= rest.size();) {
    const std::size_t comma = std::min(rest.find(',', at), rest.size());
    numbers.push_back(static_cast<int>(to_integer(name, rest.substr(at, comma - at), low, high)));
    at = comma + 1;
  }
  return numbers;
}

}  // namespace tollgate
