#pragma once

#include <string>

#include "sim/study/run_result.h"

namespace tollgate {

/// The bill of one month of every candidate that runs, in the columns of the FinOps Open Cost and
/// Usage Specification (FOCUS) 1.2, as CSV (RFC 4180). The month is that of the candidate's newest
/// price. Three billing accounts: what the operator pays for accelerators, one row per line of the
/// cost stack; what its customers pay for tokens, one row per class, where a tariff is named; and
/// prepaid tokens as FOCUS's virtual currency: a purchase (EffectiveCost 0), the tokens drawn
/// (BilledCost 0), and those that lapse. Columns not applicable are empty.
std::string focus_report(const RunResult& result);

}  // namespace tollgate
