#pragma once

#include <string>
#include <vector>

#include "sim/spec/price_spec.h"

namespace tollgate {

/// The price of an accelerator at a level: the latest date wins; among several of that date the
/// median (the lower one of two in the middle) is taken, so that one odd provider does not decide.
/// Throws InputError at `asked` naming the levels known for that accelerator.
GpuPrice find_gpu_price(const std::vector<PriceBook>& books, const std::string& hardware,
                        const std::string& level, const Place& asked);

}  // namespace tollgate
