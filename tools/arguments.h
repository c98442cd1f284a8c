#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tollgate {

/// The parsed command line of one command: values by option name ("--format") or positional name
/// ("SCENARIO"). Default values of the help table are filled in.
class Arguments {
 public:
  explicit Arguments(std::string command) : command_(std::move(command)) {}

  void add(const std::string& name, std::string value) {
    values_[name].push_back(std::move(value));
  }
  void add_default(const std::string& name, std::string value) {
    defaults_[name] = std::move(value);
  }
  /// The user gave it; a default does not count.
  bool has(const std::string& name) const { return values_.count(name) != 0; }

  /// The value given, else the default, else "".
  std::string text(const std::string& name) const;
  std::vector<std::string> texts(const std::string& name) const;

  /// Typed readings. A value that is no number or out of range is an InputError that names the
  /// option, the value and the range.
  long long integer(const std::string& name, long long low, long long high) const;
  double number(const std::string& name, double low, double high) const;
  /// "8,16,32".
  std::vector<int> integers(const std::string& name, int low, int high) const;

 private:
  long long to_integer(const std::string& name, const std::string& value, long long low,
                       long long high) const;

  std::string command_;
  std::map<std::string, std::vector<std::string>> values_;
  std::map<std::string, std::string> defaults_;
};

}  // namespace tollgate
