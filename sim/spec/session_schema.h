#pragma once

#include "sim/spec/schema.h"
#include "sim/spec/session_spec.h"

namespace tollgate {

const Schema<SessionSpec>& session_schema();
const Schema<AgentSpec>& agent_schema();

}  // namespace tollgate
