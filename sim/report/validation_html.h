#pragma once

#include <string>

#include "sim/study/validation.h"

namespace tollgate {

/// A page of its own (no script, nothing fetched): the error tables of a validation and one plot
/// per quantity, predicted against measured, log-log, as inline SVG.
std::string validation_html(const Validation& validation, const std::string& title);

/// The plot alone: TPOT on the left, TTFT on the right.
std::string calibration_svg(const std::vector<RowPrediction>& rows);

}  // namespace tollgate
