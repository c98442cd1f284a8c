#pragma once

#include <zlib.h>

#include <string>
#include <string_view>
#include <vector>

namespace tollgate {

/// The lines of a text file, plain or gzip, one after the other in constant memory. A missing file
/// or a directory is an InputError, a broken stream a FileError; both name the file.
class LineReader {
 public:
  explicit LineReader(std::string path);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// The next line without its end; false after the last. Valid until the next call.
  bool next(std::string_view& line);

  /// Number of the line that next() gave last, from 1.
  int number() const { return number_; }
  const std::string& path() const { return path_; }

 private:
  bool fill();

  std::string path_;
  gzFile file_ = nullptr;
  std::vector<char> block_;
  std::size_t at_ = 0, end_ = 0;
  std::string carried_;
  int number_ = 0;
};

}  // namespace tollgate
