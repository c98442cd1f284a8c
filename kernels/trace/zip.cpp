#include "kernels/trace/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include "kernels/trace/integer_array.h"

namespace tollgate::kernels {
namespace {

constexpr std::uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr std::uint32_t kCentral = 0x02014b50, kLocal = 0x04034b50;
constexpr std::uint64_t kIn64 = 0xffffffff;  // the value stands in the zip64 field

class Archive {
 public:
  Archive(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  std::vector<ZipMember> members() {
    const std::size_t end = find_end();
    std::uint64_t count = number(end + 10, 2);
    std::uint64_t at = number(end + 16, 4);
    if (at == kIn64 || count == 0xffff) {
      if (end < 20 || number(end - 20, 4) != kLocator64) damaged();
      const std::uint64_t end64 = number(end - 12, 8);
      if (number(end64, 4) != kEnd64) damaged();
      count = number(end64 + 32, 8);
      at = number(end64 + 48, 8);
    }
    if (count > bytes_.size() / 46) damaged();
    std::vector<ZipMember> result;
    std::uint64_t total = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (number(at, 4) != kCentral) damaged();
      const std::uint64_t name_size = number(at + 28, 2), extra_size = number(at + 30, 2);
      const std::string_view extra = piece(at + 46 + name_size, extra_size);
      Entry entry{number(at + 20, 4), number(at + 24, 4), number(at + 42, 4)};
      widen(entry, at + 46 + name_size, extra);
      // Members that share bytes would let a small file ask for a lot of memory.
      total += entry.packed;
      if (total > bytes_.size()) damaged();
      result.push_back({std::string(piece(at + 46, name_size)), {}});
      result.back().data = unpack(entry, number(at + 8, 2), number(at + 10, 2), number(at + 16, 4),
                                  result.back().name);
      at += 46 + name_size + extra_size + number(at + 32, 2);
    }
    return result;
  }

 private:
  struct Entry {
    std::uint64_t packed, size, local;
  };

  [[noreturn]] void damaged() const {
    throw std::invalid_argument(name_ + " is a damaged zip archive, or cut short.");
  }

  std::string_view piece(std::uint64_t at, std::uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) damaged();
    return bytes_.substr(at, size);
  }

  std::uint64_t number(std::uint64_t at, std::size_t size) const {
    const std::string_view from = piece(at, size);
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(from[i]);
    return value;
  }

  /// The record at the end, which a comment of at most 65535 bytes may follow.
  std::size_t find_end() const {
    if (bytes_.size() < 22) damaged();
    const std::size_t lowest = bytes_.size() > 65557 ? bytes_.size() - 65557 : 0;
    for (std::size_t at = bytes_.size() - 22;; --at) {
      if (number(at, 4) == kEnd) return at;
      if (at == lowest) damaged();
    }
  }

  void widen(Entry& entry, std::uint64_t at, std::string_view extra) const {
    const std::uint64_t end = at + extra.size();
    while (at + 4 <= end) {
      std::uint64_t field = at + 4;
      const std::uint64_t size = number(at + 2, 2);
      if (number(at, 2) == 1) {
        for (std::uint64_t* value : {&entry.size, &entry.packed, &entry.local}) {
          if (*value != kIn64) continue;
          if (field + 8 > at + 4 + size) damaged();
          *value = number(field, 8);
          field += 8;
        }
      }
      at += 4 + size;
    }
  }

  std::string unpack(const Entry& entry, std::uint64_t flags, std::uint64_t method,
                     std::uint64_t checksum, const std::string& member) const {
    const std::string where = name_ + ", member " + shown(member) + ", ";
    if ((flags & 1) != 0) throw std::invalid_argument(where + "is encrypted.");
    if (number(entry.local, 4) != kLocal) damaged();
    const std::uint64_t start =
        entry.local + 30 + number(entry.local + 26, 2) + number(entry.local + 28, 2);
    const std::string_view packed = piece(start, entry.packed);
    std::string data;
    if (method == 0) {
      if (entry.size != entry.packed) damaged();
      data = packed;
    } else if (method == 8) {
      // Deflate packs at most 1032 to 1; a larger claim is not worth allocating for.
      if (entry.size / 1040 > entry.packed) damaged();
      data.resize(entry.size);
      inflate_into(packed, data);
    } else {
      throw std::invalid_argument(where + "is compressed in a way other than deflate.");
    }
    uLong sum = crc32(0, nullptr, 0);
    for (std::size_t at = 0; at < data.size(); at += 1u << 30) {
      sum = crc32(sum, reinterpret_cast<const Bytef*>(data.data() + at),
                  static_cast<uInt>(std::min<std::size_t>(data.size() - at, 1u << 30)));
    }
    if (sum != checksum) throw std::invalid_argument(where + "is damaged: its checksum is wrong.");
    return data;
  }

  void inflate_into(std::string_view packed, std::string& data) const {
    z_stream stream{};
    if (inflateInit2(&stream, -15) != Z_OK) damaged();
    std::size_t read = 0, written = 0;
    int code = Z_OK;
    while (code == Z_OK) {
      const std::size_t in = std::min<std::size_t>(packed.size() - read, 1u << 30);
      const std::size_t out = std::min<std::size_t>(data.size() - written, 1u << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + read));
      stream.avail_in = static_cast<uInt>(in);
      stream.next_out = reinterpret_cast<Bytef*>(data.data() + written);
      stream.avail_out = static_cast<uInt>(out);
      code = inflate(&stream, Z_NO_FLUSH);
      const std::size_t took = in - stream.avail_in, gave = out - stream.avail_out;
      read += took;
      written += gave;
      if (took == 0 && gave == 0 && code == Z_OK) break;
    }
    inflateEnd(&stream);
    if (code != Z_STREAM_END || written != data.size()) damaged();
  }

  std::string_view bytes_;
  const std::string& name_;
};

}  // namespace

std::vector<ZipMember> read_zip(std::string_view bytes, const std::string& name) {
  return Archive(bytes, name).members();
}

}  // namespace tollgate::kernels
