#pragma once

#include "sim/spec/arrival_spec.h"
#include "sim/spec/schema.h"

namespace tollgate {

const Schema<ArrivalSpec>& arrival_schema();

}  // namespace tollgate
