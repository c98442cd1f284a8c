#pragma once
/// The alias generator's parameters from a trace, and how well they do on another one.

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/generator/generator_spec.h"
#include "kernels/trace/trace.h"
#include "kernels/trace/trace_statistics.h"

namespace tollgate::kernels {

struct FitOptions {
  int topics = 8;          ///< per domain; not fitted
  double topic_hold = 1;   ///< see GeneratorSpec; not fitted
  int replicates = 3;      ///< popularities drawn per trial, averaged
  int samples = 8;         ///< batches per layer and size
  int iterations = 6;      ///< at most; each costs seven trials
  std::uint64_t seed = 1;  ///< of the trials' popularities
};

struct FitResult {
  GeneratorSpec spec;  ///< the five parameters, the options' topics, the trace's number of domains
  double error = 0;    ///< root mean square of the moments' relative errors, each over its scale
  int trials = 0;
  int iterations = 0;
};

/// Estimates sigma_global, sigma_domain, sigma_topic, stickiness and layer_jitter by the method of
/// simulated moments. A trial draws `replicates` traces with the layout of `trace` (same sequences,
/// same domains) under fixed seeds, so that trials differ by their parameters only, and takes the
/// same statistics of them as of `trace`:
///
///   CV of all loads, mixed and by domain; expert max/mean of mixed batches of 8, 64, 512 and 2048
///   tokens and of single-domain ones of 2048; distinct experts at 8 and 32; rank max/mean on 8 and
///   16 ranks at 2048; overlaps at lag 1, within sequences, domains and across domains; the spread
///   of the skew over layers.
///
/// Damped Gauss-Newton on the log ratios, divided by the error that each may have, with difference
/// quotients; the sigmas enter by their squares, so that zero is an ordinary value.
///
/// What a trace cannot tell stays zero: sigma_global with one domain, stickiness and sigma_topic
/// without sequences of two tokens. Deterministic for any thread count up to the last bits of libm.
/// Throws std::invalid_argument for an empty trace.
FitResult fit_generator(const RoutingTrace& trace, const FitOptions& options = {});

/// The mean statistics of `replicates` traces drawn with the layout and shape of `trace`.
TraceStatistics simulated_statistics(const RoutingTrace& trace, const GeneratorSpec& spec,
                                     const TraceStatisticsOptions& options, int replicates,
                                     std::uint64_t seed);

/// One line of a comparison.
struct FitRow {
  std::string quantity;
  double trace = 0;
  double generated = 0;
  double relative_error = 0;  ///< generated / trace - 1
  double limit = 0;           ///< on its absolute value; 0 for information only
  bool ok() const { return limit == 0 || (relative_error <= limit && -relative_error <= limit); }
};

/// Compares a trace, best one that was not fitted, with what the generator draws: expert max/mean,
/// CV, distinct experts and rank max/mean of mixed batches of 8 to 2048 tokens, single-domain and
/// prefill batches for information, and the overlaps. What the trace cannot tell has no row: pairs
/// of domains where there is one, lags where sequences are too short.
std::vector<FitRow> compare_with_trace(const RoutingTrace& trace, const GeneratorSpec& spec,
                                       int replicates = 8, std::uint64_t seed = 1001);

/// The rows as aligned text, one line each.
std::string to_text(const std::vector<FitRow>& rows);

}  // namespace tollgate::kernels
