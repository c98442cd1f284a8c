#pragma once

#include "sim/spec/arrival_spec.h"
#include "sim/spec/schema.h"

namespace tollgate {

const Schema<ArrivalSpec>& arrival_schema();

/// A mapping, or a kind alone that needs no other key.
ArrivalSpec read_arrivals(const YamlNode& node, const std::string& path);

}  // namespace tollgate
