#pragma once

#include "sim/spec/schema.h"
#include "sim/spec/workload_spec.h"

namespace tollgate {

const Schema<LengthSpec>& length_schema();
const Schema<RequestClass>& request_class_schema();
const Schema<LoadSpec>& load_schema();
const Schema<SloSpec>& slo_schema();

}  // namespace tollgate
