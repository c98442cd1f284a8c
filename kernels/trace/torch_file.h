#pragma once
/// Reads the files of torch.save without Python: dictionaries and lists of numbers, text and
/// tensors of whole numbers. Nothing in the file is ever run.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/trace/integer_array.h"
#include "kernels/trace/zip.h"

namespace tollgate::kernels {

/// A value of the file; its parts are indices into the same file, and may form a cycle.
struct TorchValue {
  enum class Kind : std::uint8_t {
    none,
    integer,
    real,
    text,
    list,
    tuple,
    dict,
    global,
    storage,
    tensor,
    mark
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;  ///< also 0 or 1 for booleans
  std::string_view text;     ///< text; "module\nname" of a global
  std::vector<int> items;    ///< list, tuple; key, value, key, value, ... of a dict
};

/// The zip format that torch.save writes since 1.6: a member data.pkl in pickle protocol 2 and one
/// member data/KEY per tensor storage (pytorch torch/serialization.py `_save`, torch/_utils.py
/// `_rebuild_tensor_v2`, 2.8).
///
/// Only the opcodes that such dictionaries need are read, and only the globals
/// torch._utils._rebuild_tensor_v2, collections.OrderedDict and torch.*Storage; whatever else a
/// pickle names is refused, since loading it would run code. Throws std::invalid_argument with a
/// sentence that names the file.
class TorchFile {
 public:
  TorchFile(std::vector<ZipMember> members, std::string name);
  TorchFile(const TorchFile&) = delete;  // its texts point into its members
  TorchFile& operator=(const TorchFile&) = delete;

  const std::string& name() const { return name_; }
  const TorchValue& root() const { return values_[static_cast<std::size_t>(root_)]; }
  const TorchValue& operator[](int index) const { return values_[static_cast<std::size_t>(index)]; }

  /// The value of a dict under a key; nullptr if it is no dict or has no such key.
  const TorchValue* find(const TorchValue& dict, std::string_view key) const;

  /// A tensor of whole numbers, of any device. Throws if it is none; `what` names it.
  IntegerArray tensor(const TorchValue& value, const std::string& what) const;

 private:
  friend class PickleReader;
  std::vector<ZipMember> members_;
  std::string name_;
  std::vector<TorchValue> values_;
  int root_ = 0;
  std::size_t prefix_ = 0;  ///< length of the archive's folder name, with its slash
};

/// Whether the members are those of a torch.save archive.
bool is_torch_file(const std::vector<ZipMember>& members);

}  // namespace tollgate::kernels
