#pragma once
/// Writes what numpy and torch write, small: .npy, zip archives and the pickles of torch.save.

#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tollgate::kernels {

inline std::string little(std::uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

inline std::string packed(const std::vector<std::int64_t>& values, int size) {
  std::string bytes;
  for (const std::int64_t v : values) bytes += little(static_cast<std::uint64_t>(v), size);
  return bytes;
}

/// `type` as numpy names it, for example "<u2"; `shape` without its brackets, "3, 2".
inline std::string npy(const std::string& type, const std::string& shape, const std::string& data,
                       bool fortran = false) {
  std::string header = "{'descr': '" + type +
                       "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" +
                       shape + "), }";
  while ((header.size() + 11) % 64 != 0) header += ' ';
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + little(header.size(), 2) + header + data;
}

using Members = std::vector<std::pair<std::string, std::string>>;

inline std::string deflated(const std::string& data) {
  std::string result(compressBound(data.size()) + 16, '\0');
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

/// With `zip64` the sizes stand in the extra field and the end in the long record.
inline std::string zip(const Members& members, bool compress = false, bool zip64 = false) {
  std::string file, directory;
  for (const auto& [name, data] : members) {
    const std::string body = compress ? deflated(data) : data;
    const std::uint64_t sum =
        crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(data.data()),
              static_cast<uInt>(data.size()));
    const std::string start =
        little(20, 2) + little(0, 2) + little(compress ? 8 : 0, 2) + little(0, 4) + little(sum, 4);
    const std::uint64_t at = file.size();
    file += little(0x04034b50, 4) + start + little(body.size(), 4) + little(data.size(), 4) +
            little(name.size(), 2) + little(3, 2) + name + "pad" + body;
    std::string extra;
    if (zip64) {
      extra = little(0x4246, 2) + little(2, 2) + "xx" + little(1, 2) + little(24, 2) +
              little(data.size(), 8) + little(body.size(), 8) + little(at, 8);
    }
    const auto field = [&](std::uint64_t value) { return little(zip64 ? 0xffffffff : value, 4); };
    directory += little(0x02014b50, 4) + little(20, 2) + start + field(body.size()) +
                 field(data.size()) + little(name.size(), 2) + little(extra.size(), 2) +
                 little(0, 2) + little(0, 2) + little(0, 2) + little(0, 4) + field(at) + name +
                 extra;
  }
  const std::uint64_t at = file.size(), size = directory.size();
  file += directory;
  if (zip64) {
    const std::uint64_t record = file.size();
    file += little(0x06064b50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 4) +
            little(0, 4) + little(members.size(), 8) + little(members.size(), 8) + little(size, 8) +
            little(at, 8);
    file += little(0x07064b50, 4) + little(0, 4) + little(record, 8) + little(1, 4);
  }
  return file + little(0x06054b50, 4) + little(0, 4) + little(zip64 ? 0xffff : members.size(), 2) +
         little(zip64 ? 0xffff : members.size(), 2) + little(size, 4) +
         little(zip64 ? 0xffffffff : at, 4) + little(0, 2);
}

// Parts of a protocol 2 pickle, as pickle.Pickler writes them for torch.save.

inline std::string text_of(const std::string& text) { return "X" + little(text.size(), 4) + text; }

inline std::string integer_of(std::int64_t value) {
  if (value >= 0 && value < 256) return "K" + little(static_cast<std::uint64_t>(value), 1);
  if (value >= 0 && value < 65536) return "M" + little(static_cast<std::uint64_t>(value), 2);
  return "J" + little(static_cast<std::uint64_t>(value), 4);
}

inline std::string dict_of(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string result = "}(";
  for (const auto& [key, value] : items) result += text_of(key) + value;
  return result + "u";
}

inline std::string list_of(const std::vector<std::string>& items) {
  std::string result = "](";
  for (const std::string& item : items) result += item;
  return result + "e";
}

inline std::string tuple_of(const std::vector<std::int64_t>& numbers) {
  std::string result = "(";
  for (const std::int64_t n : numbers) result += integer_of(n);
  return result + "t";
}

/// Saves a pickle and its tensors as torch.save does.
class TorchWriter {
 public:
  /// The pickle of a row-major tensor whose storage goes into the archive. `type` is "Int", "Long",
  /// "Byte", "Float" and so on, `size` its bytes.
  std::string tensor(const std::vector<std::int64_t>& shape,
                     const std::vector<std::int64_t>& values, const std::string& type = "Int",
                     int size = 4, std::int64_t offset = 0) {
    std::vector<std::int64_t> strides(shape.size(), 1);
    for (std::size_t axis = shape.size(); axis-- > 1;) {
      strides[axis - 1] = strides[axis] * shape[axis];
    }
    const std::string key = std::to_string(storages_.size());
    storages_.push_back({"archive/data/" + key, packed(values, size)});
    return "ctorch._utils\n_rebuild_tensor_v2\n((" + text_of("storage") + "ctorch\n" + type +
           "Storage\n" + text_of(key) + text_of("cuda:0") +
           integer_of(static_cast<std::int64_t>(values.size())) + "tQ" + integer_of(offset) +
           tuple_of(shape) + tuple_of(strides) +
           "\x89"
           "ccollections\nOrderedDict\n)RtR";
  }

  std::string save(const std::string& pickle) const {
    Members members{{"archive/data.pkl", "\x80\x02" + pickle + "."},
                    {"archive/byteorder", "little"}};
    members.insert(members.end(), storages_.begin(), storages_.end());
    members.push_back({"archive/version", "3\n"});
    return zip(members);
  }

 private:
  Members storages_;
};

inline std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      result += i + j < bytes.size() + 1 ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
    }
  }
  return result;
}

}  // namespace tollgate::kernels
