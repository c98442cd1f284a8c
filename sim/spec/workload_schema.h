#pragma once

#include "sim/spec/length_schema.h"
#include "sim/spec/workload_spec.h"

namespace tollgate {

const Schema<RequestClass>& request_class_schema();
const Schema<LoadSpec>& load_schema();
const Schema<SloSpec>& slo_schema();

}  // namespace tollgate
