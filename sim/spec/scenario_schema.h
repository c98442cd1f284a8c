#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sim/spec/library.h"
#include "sim/spec/scenario.h"
#include "sim/spec/schema.h"

namespace tollgate {

/// Field tables of the parts of a scenario.
const Schema<DeploymentSpec>& deployment_schema();
const Schema<RoutingSpec>& routing_schema();
const Schema<PricingSpec>& pricing_schema();
const Schema<MethodSpec>& method_schema();
const Schema<SimulationSpec>& simulation_schema();

/// What documentation and the JSON Schema need to know of a whole scenario file.
const SchemaInfo& scenario_schema_info();

/// Reads a scenario file, applies the overrides ("path=value", in order), resolves every reference
/// through the library and checks the parts against each other. Candidates that list several
/// accelerators become one candidate each. Throws InputError (exit code 2).
Scenario load_scenario(const std::filesystem::path& path, const std::vector<std::string>& overrides,
                       Library& library);

/// The same from text; `file` names it in errors and resolves relative references.
Scenario parse_scenario(const std::string& text, const std::string& file,
                        const std::vector<std::string>& overrides, Library& library);

}  // namespace tollgate
