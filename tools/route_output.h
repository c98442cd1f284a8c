#pragma once

#include <string>

#include "tools/route_study.h"

namespace tollgate {

std::string route_text(const RouteQuestion& question, const RouteAnswer& answer);
std::string route_json(const RouteQuestion& question, const RouteAnswer& answer);

/// layer_id,expert_id,activation_count over the whole window, as `--trace` reads it.
std::string route_dump(const RouteQuestion& question, const RouteAnswer& answer);

}  // namespace tollgate
