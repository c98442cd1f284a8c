#pragma once

#include <string>

#include "sim/spec/engine_spec.h"
#include "sim/spec/hardware_spec.h"
#include "sim/spec/price_spec.h"
#include "sim/spec/schema.h"

namespace tollgate {

/// Field tables of the files in models/. A file is one YAML mapping whose first key is
/// `schema_version: 1`; its `name` equals the file's name without `.yaml`.
const Schema<LlmSpec>& model_schema();
const Schema<HardwareSpec>& hardware_schema();
const Schema<EngineSpec>& engine_schema();
const Schema<KernelChoice>& kernel_schema();
const Schema<GraphRange>& graph_schema();
const Schema<PriceBook>& price_schema();
const Schema<Source>& source_schema();
const Schema<PrecisionMap>& precision_schema();

/// Names and values of the storage formats, for fields that choose one.
std::vector<std::pair<std::string, Precision>> precision_choices();

/// "key: schema_version is 2, ..." unless the mapping begins with `schema_version: 1`.
void check_schema_version(const YamlNode& root);

}  // namespace tollgate
