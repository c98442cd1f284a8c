#include "sim/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sim/base/error.h"
#include "sim/base/text.h"

namespace tollgate {

std::string read_text_file(const std::filesystem::path& path, std::size_t limit_bytes) {
  if (path.empty()) throw InputError("the name of the file to read is empty.");
  const Place whole{path.string(), 0, 0};
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    throw InputError(whole, "there is no such file.");
  }
  if (std::filesystem::is_directory(status)) {
    throw InputError(whole, "this is a directory; a file is needed.");
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw FileError(path.string() + ": the file cannot be opened: " + std::strerror(errno) + ".");
  }
  std::string contents;
  std::array<char, 65536> block;
  while (in.read(block.data(), block.size()) || in.gcount() > 0) {
    contents.append(block.data(), static_cast<std::size_t>(in.gcount()));
    if (contents.size() > limit_bytes) {
      throw InputError(whole, "the file is larger than " + std::to_string(limit_bytes >> 10) +
                                  " KiB, the most that is read here.");
    }
  }
  if (in.bad()) throw FileError(path.string() + ": the file cannot be read.");
  return contents;
}

void write_file_atomically(const std::filesystem::path& given, std::string_view contents) {
  if (given.empty()) throw FileError("the name of the file to write is empty.");
  std::error_code error;
  // Through a link, so that the link stays and its target changes.
  const std::filesystem::path path = std::filesystem::is_symlink(given, error)
                                         ? std::filesystem::weakly_canonical(given, error)
                                         : given;
  if (std::filesystem::is_directory(path, error)) {
    throw FileError(path.string() + ": this is a directory; a file name is needed.");
  }
  // A pipe or a device (/dev/stdout, /dev/null) cannot be renamed over: write through it.
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error)) {
    std::ofstream out(path, std::ios::binary);
    out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    if (!out.flush()) throw FileError(path.string() + ": the output cannot be written.");
    return;
  }
  std::string beside = path.string() + ".XXXXXX";
  const int file = ::mkstemp(beside.data());
  const auto fail = [&](const char* what) {
    const std::string reason = std::strerror(errno);
    if (file >= 0) {
      ::close(file);
      ::unlink(beside.c_str());
    }
    throw FileError(path.string() + ": the file cannot be " + what + ": " + reason + ".");
  };
  if (file < 0) fail("written");
  std::size_t done = 0;
  while (done < contents.size()) {
    const ssize_t n = ::write(file, contents.data() + done, contents.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("written");
    done += static_cast<std::size_t>(n);
  }
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file, 0666 & ~mask) != 0 || ::fsync(file) != 0) fail("written");
  if (::close(file) != 0 || ::rename(beside.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    ::unlink(beside.c_str());
    throw FileError(path.string() + ": the file cannot be written: " + reason + ".");
  }
}

std::string digest(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  std::array<char, 33> text;
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return text.data();
}

}  // namespace tollgate
