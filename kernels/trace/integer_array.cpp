#include "kernels/trace/integer_array.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace tollgate::kernels {
namespace {

[[noreturn]] void fail(const std::string& sentence) { throw std::invalid_argument(sentence); }

template <typename T>
std::int64_t load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<std::int64_t>(value);
}

/// What follows 'key': in the header, without leading blanks.
std::string_view value_of(std::string_view header, std::string_view key, const std::string& name) {
  const std::string quoted = "'" + std::string(key) + "':";
  const std::size_t at = header.find(quoted);
  if (at == std::string_view::npos) {
    fail(name + " has an .npy header without " + std::string(key) + ".");
  }
  header.remove_prefix(at + quoted.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

}  // namespace

std::int64_t IntegerArray::position(std::int64_t i, std::int64_t j, std::int64_t k) const {
  const std::int64_t index[3] = {i, j, k};
  std::int64_t result = offset;
  for (std::size_t axis = 0; axis < shape.size() && axis < 3; ++axis) {
    result += index[axis] * strides[axis];
  }
  return result;
}

std::int64_t IntegerArray::at(std::int64_t position) const {
  const char* from =
      bytes.data() + static_cast<std::size_t>(position) * static_cast<unsigned>(width);
  switch (width) {
    case 1:
      return is_signed ? load<std::int8_t>(from) : load<std::uint8_t>(from);
    case 2:
      return is_signed ? load<std::int16_t>(from) : load<std::uint16_t>(from);
    case 4:
      return is_signed ? load<std::int32_t>(from) : load<std::uint32_t>(from);
    default:
      return load<std::int64_t>(from);
  }
}

std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t axis = shape.size(); axis-- > 1;) {
    // Saturates far above any file, so that check_array sees it.
    const std::int64_t rows = std::max<std::int64_t>(shape[axis], 1);
    strides[axis - 1] = strides[axis] > (std::int64_t{1} << 40) / rows ? std::int64_t{1} << 40
                                                                       : strides[axis] * rows;
  }
  return strides;
}

void check_array(const IntegerArray& array, const std::string& name) {
  const auto room = static_cast<std::int64_t>(array.bytes.size()) / array.width;
  std::int64_t elements = 1;
  bool fits = array.offset >= 0 && array.strides.size() == array.shape.size();
  for (std::size_t axis = 0; fits && axis < array.shape.size(); ++axis) {
    fits = array.shape[axis] >= 0 && array.strides[axis] >= 0;
    if (fits && array.shape[axis] > 0 && elements > room / array.shape[axis]) fits = false;
    elements *= fits ? array.shape[axis] : 1;
  }
  std::int64_t last = array.offset;
  for (std::size_t axis = 0; fits && elements > 0 && axis < array.shape.size(); ++axis) {
    const std::int64_t steps = array.shape[axis] - 1;
    if (steps > 0 && array.strides[axis] > room / steps) fits = false;
    if (fits) last += steps * array.strides[axis];
    fits = fits && last < room;
  }
  if (fits && elements > 0 && last >= room) fits = false;
  if (!fits) fail(name + " is damaged: an array is larger than the bytes it has.");
}

IntegerArray parse_npy(std::string_view bytes, const std::string& name) {
  if (!bytes.starts_with("\x93NUMPY") || bytes.size() < 10) fail(name + " is not an .npy file.");
  const int version = static_cast<unsigned char>(bytes[6]);
  if (version < 1 || version > 3) {
    fail(name + " has .npy format version " + std::to_string(version) + "; 1 to 3 are known.");
  }
  const std::size_t start = version == 1 ? 10 : 12;
  if (bytes.size() < start) fail(name + " is cut short.");
  const auto length = static_cast<std::size_t>(version == 1 ? load<std::uint16_t>(&bytes[8])
                                                            : load<std::uint32_t>(&bytes[8]));
  if (length > bytes.size() - start) fail(name + " is cut short within its header.");
  const std::string_view header = bytes.substr(start, length);

  IntegerArray array;
  std::string_view type = value_of(header, "descr", name);
  type.remove_prefix(std::min<std::size_t>(1, type.size()));
  type = type.substr(0, type.find_first_of("'\""));
  if (type.find('O') != std::string_view::npos) {
    fail(name + " holds Python objects; save an array of whole numbers.");
  }
  const bool one_byte = type == "|u1" || type == "|i1";
  if (!one_byte && type != "<u2" && type != "<i2" && type != "<u4" && type != "<i4" &&
      type != "<u8" && type != "<i8") {
    fail(name + " has elements of type \"" + shown(type) +
         "\"; expert ids and counts must be little-endian whole numbers.");
  }
  array.is_signed = type[1] == 'i';
  array.width = type[2] - '0';

  std::string_view shape = value_of(header, "shape", name);
  if (!shape.starts_with("(") || shape.find(')') == std::string_view::npos) {
    fail(name + " has an .npy header without a shape.");
  }
  shape = shape.substr(1, shape.find(')') - 1);
  for (;;) {
    shape.remove_prefix(std::min(shape.find_first_not_of(" ,"), shape.size()));
    if (shape.empty()) break;
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(shape.data(), shape.data() + shape.size(), size);
    if (error != std::errc() || size < 0) fail(name + " has an .npy header with a bad shape.");
    array.shape.push_back(size);
    shape.remove_prefix(static_cast<std::size_t>(end - shape.data()));
  }
  if (value_of(header, "fortran_order", name).starts_with("True")) {
    std::vector<std::int64_t> reversed(array.shape.rbegin(), array.shape.rend());
    reversed = row_major(reversed);
    array.strides.assign(reversed.rbegin(), reversed.rend());
  } else {
    array.strides = row_major(array.shape);
  }
  array.bytes = bytes.substr(start + length);
  check_array(array, name);
  return array;
}

std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, 60)) result += c >= ' ' && c <= '~' ? c : '?';
  return text.size() > 60 ? result + "..." : result;
}

}  // namespace tollgate::kernels
