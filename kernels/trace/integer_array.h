#pragma once
/// Arrays of whole numbers as numpy and torch store them, seen without copying.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::kernels {

/// A view of an array. The bytes belong to someone else and are little-endian, as on the machines
/// that write them.
struct IntegerArray {
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< in elements, one per axis
  std::int64_t offset = 0;            ///< of the first element, in elements
  std::string_view bytes;
  int width = 4;  ///< bytes per element: 1, 2, 4 or 8
  bool is_signed = true;

  int axes() const { return static_cast<int>(shape.size()); }

  /// Position of an element from its index along every axis, to be given to `at`.
  std::int64_t position(std::int64_t i, std::int64_t j = 0, std::int64_t k = 0) const;

  /// The element at a position, sign extended; unsigned values of 2^63 and more come out negative.
  std::int64_t at(std::int64_t position) const;
};

/// Row-major strides of a shape whose number of elements `check_array` accepted or will judge.
std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& shape);

/// Throws std::invalid_argument with a sentence that begins with `name` if an index within the
/// shape would leave the bytes, or the shape has more elements than the bytes hold.
void check_array(const IntegerArray& array, const std::string& name);

/// A .npy file of whole numbers, format versions 1 to 3 (numpy.lib.format, numpy 2.2). The view
/// points into `bytes`. Throws std::invalid_argument naming the file: not .npy, cut short, Python
/// objects, floating point, big-endian.
IntegerArray parse_npy(std::string_view bytes, const std::string& name);

/// Text from a file for use in an error: unprintable bytes become '?', long texts are cut.
std::string shown(std::string_view text);

}  // namespace tollgate::kernels
