#pragma once

#include <stdexcept>
#include <string>

namespace tollgate {

/// A place in an input file. Lines and columns count from 1; line 0 means the file as a whole,
/// column 0 the whole line.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;
};

/// "file:line:column", "file:line" or "file".
std::string to_string(const Place& place);

/// Bad input of the user: one full sentence with its place. Caught once, in main; exit code 2.
class InputError : public std::runtime_error {
 public:
  explicit InputError(const std::string& sentence) : std::runtime_error(sentence) {}
  InputError(const Place& place, const std::string& sentence)
      : std::runtime_error(to_string(place) + ": " + sentence), place_(place) {}
  const Place& place() const { return place_; }

 private:
  Place place_;
};

/// A file or disk refused to be read or written. Exit code 3.
class FileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace tollgate
