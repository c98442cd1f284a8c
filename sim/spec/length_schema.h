#pragma once

#include "sim/spec/length_spec.h"
#include "sim/spec/schema.h"

namespace tollgate {

const Schema<LengthSpec>& length_schema();

FieldInfo length_field(const char* name, Need need, const char* doc);

/// A mapping, or a plain number, which is a fixed length.
LengthSpec read_length(const YamlNode& node, const std::string& path);

/// Null where no length was given.
YamlPtr write_length(const LengthSpec& length);

/// Adds a length to the field table of T.
template <class T>
void add_length(Schema<T>& schema, const char* name, LengthSpec T::*member, Need need,
                const char* doc) {
  schema.custom(
      length_field(name, need, doc),
      [member](const YamlNode& n, const std::string& p, T& t) { t.*member = read_length(n, p); },
      [member](const T& t) { return write_length(t.*member); });
}

}  // namespace tollgate
