#include "sim/study/row_limits.h"

#include <algorithm>

#include "sim/base/text.h"
#include "sim/spec/flops.h"
#include "sim/study/row_prediction.h"

namespace tollgate {
namespace {

double peak_of(const HardwareSpec& hardware, Precision precision) {
  const PeakRates& peak = hardware.peak;
  const double bytes = info(precision).bytes;  // block scales counted in
  if (bytes > 1.5) return peak.bf16;
  const double narrow = std::max({peak.bf16, peak.fp8, peak.int8});
  return bytes > 0.75 ? narrow : std::max(narrow, peak.fp4);
}

}  // namespace

std::string beyond_peak(const MeasuredRow& row, const RowScenario& s) {
  const DecodeWork work = decode_work(*s.model, 0, {});
  const double per_token = work.linear_flops + work.ffn_flops;
  double peak = 0;
  for (const Precision p : {s.precision.attention, s.precision.dense_ffn,
                            s.precision.shared_experts, s.precision.experts}) {
    peak = std::max(peak, peak_of(*s.hardware, p));
  }
  const auto petaflops = [](double flops) { return fixed(flops / 1e15, 2) + " PFLOP/s"; };
  const std::string of_peak = " a GPU, which has " + petaflops(peak) +
                              " at most, so that it is not of the deployment that the row names";
  const double prompt = row.length_factor * row.input, answer = row.length_factor * row.output;
  if (row.throughput > 0) {
    const double needed = row.throughput * (prompt / answer + 1) * per_token;
    if (needed > peak) return "the measured rate needs " + petaflops(needed) + of_peak;
  }
  if (row.ttft > 0) {
    const int gpus =
        row.mode == "disagg" ? row.prefill_gpus / std::max(1, row.prefill_workers) : gpus_of(row);
    const double needed = prompt * per_token / row.ttft / std::max(1, gpus);
    if (needed > peak) return "the measured TTFT needs " + petaflops(needed) + of_peak;
  }
  return "";
}

}  // namespace tollgate
