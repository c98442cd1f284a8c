#pragma once
/// Reads zip archives from memory: what numpy.savez and torch.save write.

#include <string>
#include <string_view>
#include <vector>

namespace tollgate::kernels {

struct ZipMember {
  std::string name;
  std::string data;  ///< decompressed
};

/// Every member in the order of the central directory, stored or deflated, with zip64 fields
/// (PKWARE APPNOTE 6.3.10). Lengths and checksums are verified, so that damage is seen. Throws
/// std::invalid_argument with a sentence that names the file: cut short, damaged, encrypted,
/// another compression.
std::vector<ZipMember> read_zip(std::string_view bytes, const std::string& name);

}  // namespace tollgate::kernels
