#include "sim/study/routing_facts.h"

#include <algorithm>

#include "sim/timing/compute_path.h"

namespace tollgate {
namespace {

/// Steps of a layer looked at; with eight layers 256 samples.
constexpr int most_steps = 32;

struct RowBytes {
  std::int64_t out = 0, back = 0;
};

PhaseRouting facts(const kernels::RoutedWindow& window, const ExpertPlacer& placer, int ranks,
                   double tokens, kernels::TransferMode mode, const RowBytes& bytes) {
  const int batch = std::max(1, static_cast<int>(std::min<double>(tokens, window.tokens)));
  const double scale = std::max(1.0, tokens / batch);
  kernels::StudyOptions options;
  options.batch_size = batch;
  options.mode = mode;
  options.tile = 64;
  options.most_steps = most_steps;
  options.zero_experts = window.zero_experts;
  const auto placements = placer.at(ranks);
  const kernels::DispatchStats s =
      kernels::study_dispatch(window.selections(), placements, options);
  const double mean = s.rows.mean() / ranks;
  const auto over = [&](double rows) { return mean > 0 ? rows / mean : 1; };
  PhaseRouting out;
  out.tokens = tokens;
  out.busiest_mean = s.mean_imbalance();
  out.busiest_p50 = over(static_cast<double>(s.busiest_rows.p50()));
  out.busiest_p95 = over(static_cast<double>(s.busiest_rows.p95()));
  out.busiest_max = over(static_cast<double>(s.busiest_rows.max()));
  out.weights_read = s.active_slots.mean();
  out.ranks_per_token = s.spread.ranks_per_token();
  out.nodes_per_token = s.spread.nodes_per_token();
  const double both = static_cast<double>(bytes.out + bytes.back) * scale;
  const auto link = [&](const kernels::Distribution& rows) {
    return LinkBytes{rows.mean() * both, static_cast<double>(rows.p50()) * both,
                     static_cast<double>(rows.p95()) * both,
                     static_cast<double>(rows.max()) * both};
  };
  if (bytes.out == 0) return out;
  out.scale_up = link(s.scale_up);
  out.network = link(s.network);
  return out;
}

RowBytes row_bytes(const CandidateSpec& c, const FfnSpec& ffn, const PrecisionMap& precision,
                   const Deployment& d, kernels::TransferMode mode) {
  if (d.data_attention == 1 || d.expert == 1) return {};  // no dispatch: the ranks share tokens
  const int width = ffn.latent > 0 ? ffn.latent : c.model.hidden;
  const bool wide = compute_path(precision.experts, c.hardware.peak).unit == ComputeClass::bf16;
  return {kernels::dispatch_row_bytes(
              mode, wide ? kernels::RowFormat::bf16 : kernels::RowFormat::fp8, width),
          kernels::combine_row_bytes(kernels::RowFormat::bf16, width)};
}

}  // namespace

PhaseRouting decode_routing(const CandidateSpec& c, const FfnSpec& ffn,
                            const PrecisionMap& precision, const Deployment& d,
                            const FfnRouting& routing, double tokens) {
  constexpr auto mode = kernels::TransferMode::low_latency;
  return facts(routing.routed->decode, routing.routed->placer, d.expert, tokens, mode,
               row_bytes(c, ffn, precision, d, mode));
}

PhaseRouting prefill_routing(const CandidateSpec& c, const FfnSpec& ffn,
                             const PrecisionMap& precision, const Deployment& d,
                             const FfnRouting& routing, double tokens) {
  constexpr auto mode = kernels::TransferMode::normal;
  return facts(routing.routed->prefill, routing.routed->placer, d.expert, tokens, mode,
               row_bytes(c, ffn, precision, d, mode));
}

RoutingTables of_step(const RoutingTables& tables, RoutingTable::Step step) {
  RoutingTables out = tables;
  for (FfnRouting& ffn : out) {
    for (RoutingTable& table : ffn.decode) table = table.of_step(step);
    for (RoutingTable& table : ffn.prefill) table = table.of_step(step);
  }
  return out;
}

}  // namespace tollgate
