#pragma once

#include <string>

#include "sim/spec/scenario.h"
#include "sim/spec/schema.h"

namespace tollgate {

const Schema<DisaggregationSpec>& disaggregation_schema();

/// `deployment.disaggregation`: `auto`, `none`, or a mapping on top of what is there.
void read_disaggregation(const YamlNode& node, const std::string& path, DeploymentSpec& deployment);

}  // namespace tollgate
