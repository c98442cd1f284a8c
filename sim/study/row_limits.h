#pragma once

#include <string>

#include "sim/study/measured_row.h"

namespace tollgate {

/// Whether a measured row contradicts the peak of the devices it names: more arithmetic in a
/// second than all of its GPUs have matrix units for, or a first token before its prompt can have
/// been computed. Counted are two FLOP per weight of the projections and chosen experts and the
/// dense peak of the quickest format of the scenario; scores of attention, norms and all else are
/// left out, so that a row within the peak is never called beyond it. Cached prompts, requests
/// spread over further replicas or other lengths than stated are how such rows come about.
///
/// Returns what contradicts in one sentence, "" if nothing does.
std::string beyond_peak(const MeasuredRow& row, const RowScenario& scenario);

}  // namespace tollgate
