#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/error.h"

namespace tollgate {

/// A YAML document as read from text, with the place of every node and key. Unlike yaml-cpp's own
/// nodes it refuses duplicate keys, alias cycles, tags, merge keys and several documents in a file.
/// Scalars stay text: what they mean is decided by the field that reads them.
struct YamlNode {
  enum class Kind { null, scalar, sequence, mapping };
  struct Entry {
    std::string key;
    Place place;
    std::shared_ptr<YamlNode> value;
  };

  Kind kind = Kind::null;
  Place place;
  std::string scalar;
  bool plain = true;  ///< written without quotes
  std::vector<std::shared_ptr<YamlNode>> items;
  std::vector<Entry> entries;

  const Entry* find(std::string_view key) const;
  /// Appends to a mapping that is being made, without a place.
  void add(std::string key, std::shared_ptr<YamlNode> value);
};

using YamlPtr = std::shared_ptr<YamlNode>;

/// "a mapping", "a list", "text", "nothing".
std::string_view describe(YamlNode::Kind kind);

/// Parses one YAML document. Throws InputError with file, line and column.
YamlPtr parse_yaml(const std::string& text, const std::string& file);

/// Replaces or adds the value at a path such as `slo.tpot`, `candidates[2].deployment.tensor` or
/// `candidates.NAME.price` (a list element found by its `name`). `assignment` is "path=value"; the
/// value is read as YAML. Missing mappings on the way are made. Throws InputError.
void apply_override(YamlNode& root, const std::string& assignment);

/// The node as block-style YAML text which parse_yaml reads back to an equal tree.
std::string to_yaml(const YamlNode& node);

YamlPtr yaml_scalar(std::string text);
YamlPtr yaml_mapping();
YamlPtr yaml_sequence();

}  // namespace tollgate
