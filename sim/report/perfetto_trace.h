#pragma once

#include <iosfwd>

#include "sim/serving/engine/recording.h"

namespace tollgate {

/// A recording as Chrome trace events (JSON object format), which Perfetto and chrome://tracing
/// open: a process per replica, a thread per rank with a slice for each recorded step, named after
/// what it computes, and on it an instant for each request that is admitted or preempted (at the
/// start) or finished (at the end); counters for running and waiting sequences, cache blocks and
/// tokens per second, from the samples where there are any, else from the steps.
///
/// Times are microseconds with all digits of the simulator's clock. Format: "Trace Event Format",
/// Google, 2016.
void write_perfetto_trace(std::ostream& out, const Recording& recording);

}  // namespace tollgate
