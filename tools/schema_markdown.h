#pragma once

#include <string>
#include <vector>

#include "sim/spec/schema.h"

namespace tollgate {

/// The reference page of some kinds of files: a table of fields for each, and for each nested table
/// a section of its own, once. docs/scenario.md is made of this.
std::string markdown_reference(const std::vector<const SchemaInfo*>& files);

}  // namespace tollgate
