#pragma once

#include <string>

#include "sim/spec/schema.h"

namespace tollgate {

/// JSON Schema draft-07 of a YAML file described by a field table, `schema_version: 1` included.
/// Every nested table becomes a definition. Shorter forms are allowed where the reader takes them.
std::string json_schema(const SchemaInfo& info);

/// What may stand instead of a mapping described by a table.
enum class Shorthand {
  none,
  count,         ///< a whole number: a fixed length
  automatic,     ///< `auto`
  auto_or_none,  ///< `auto` or `none`
  share,         ///< a number above 0 and at most 1
  name,          ///< the name of an entry of models/, or a mapping on a `base`
  names,         ///< also a list of names
  kind,          ///< the value of its `kind`, where that needs no other key
};
Shorthand shorthand_of(const SchemaInfo& info);

/// The bounds behind a range such as "above 0 and at most 1", as `Range`; inverse of
/// describe(Range).
Range parse_range(const std::string& text);

}  // namespace tollgate
