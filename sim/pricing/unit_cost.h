#pragma once

#include "sim/base/estimate.h"

namespace tollgate {

/// GPU-hours that a million tokens take at a rate of tokens per second over so many accelerators:
/// gpus / (tokens/s x 3600) x 1e6. A rate of zero gives a million times the hours of one token per
/// second, so that nothing infinite is ever printed.
double gpu_hours_per_million(double gpus, double tokens_per_second);

}  // namespace tollgate
