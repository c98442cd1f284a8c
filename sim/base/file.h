#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace tollgate {

/// Reads a regular file as a whole. A missing file, a directory or a file above `limit_bytes` is an
/// InputError; a file that cannot be read is a FileError.
std::string read_text_file(const std::filesystem::path& path, std::size_t limit_bytes);

/// Writes beside, then renames: readers see the old file or the new one, never half of it.
/// Throws FileError with the system's reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view contents);

/// XXH3-128 of the bytes, as 32 hex digits.
std::string digest(std::string_view bytes);

}  // namespace tollgate
