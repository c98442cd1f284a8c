#include "sim/operators/line_reader.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "sim/base/error.h"

namespace tollgate {
namespace {

constexpr std::size_t block_bytes = 1 << 18;
constexpr std::size_t longest_line = 1 << 16;

}  // namespace

LineReader::LineReader(std::string path) : path_(std::move(path)), block_(block_bytes) {
  std::error_code error;
  const auto status = std::filesystem::status(path_, error);
  if (path_.empty() || status.type() == std::filesystem::file_type::not_found) {
    throw InputError({path_, 0, 0}, "there is no such file.");
  }
  if (std::filesystem::is_directory(status)) {
    throw InputError({path_, 0, 0}, "this is a directory; a file is needed.");
  }
  file_ = gzopen(path_.c_str(), "rb");
  if (!file_) {
    throw FileError(path_ + ": the file cannot be opened: " + std::strerror(errno) + ".");
  }
}

LineReader::~LineReader() { gzclose(file_); }

bool LineReader::fill() {
  const int got = gzread(file_, block_.data(), static_cast<unsigned>(block_.size()));
  // gzread gives what it has of a stream that breaks off; the error is in gzerror.
  int code = Z_OK;
  const char* what = gzerror(file_, &code);
  if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
    throw FileError(path_ + ": the file cannot be read: " +
                    (code == Z_ERRNO ? std::strerror(errno) : what) + ".");
  }
  at_ = 0;
  end_ = static_cast<std::size_t>(got);
  return got > 0;
}

bool LineReader::next(std::string_view& line) {
  carried_.clear();
  while (at_ < end_ || fill()) {
    const char* begin = block_.data() + at_;
    const auto* newline = static_cast<const char*>(std::memchr(begin, '\n', end_ - at_));
    const std::size_t length = newline ? static_cast<std::size_t>(newline - begin) : end_ - at_;
    at_ += length + (newline ? 1 : 0);
    if (newline && carried_.empty()) {
      line = {begin, length};
    } else {
      carried_.append(begin, length);
      if (carried_.size() > longest_line) {
        throw InputError({path_, number_ + 1, 0}, "the line is longer than 64 KiB.");
      }
      if (!newline) continue;
      line = carried_;
    }
    ++number_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    return true;
  }
  if (carried_.empty()) return false;
  ++number_;
  line = carried_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

}  // namespace tollgate
