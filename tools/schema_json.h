#pragma once

#include <string>

#include "sim/spec/schema.h"

namespace tollgate {

/// JSON Schema draft-07 of a YAML file described by a field table, `schema_version: 1` included.
/// Every nested table becomes a definition; where a reference is allowed, so are a name, a list of
/// names and a mapping with `base` that gives only what differs.
std::string json_schema(const SchemaInfo& info);

/// The bounds behind a range such as "above 0 and at most 1", as `Range`; inverse of describe(Range).
Range parse_range(const std::string& text);

}  // namespace tollgate
