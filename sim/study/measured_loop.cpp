#include "sim/study/measured_loop.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "sim/serving/engine/engine_scheduler.h"
#include "sim/serving/engine/simulate.h"

namespace tollgate {
namespace {

/// A length of the class at a 32-bit draw.
std::int32_t length_at(const LengthSpec& length, std::uint32_t word) {
  if (length.kind != LengthKind::uniform) return static_cast<std::int32_t>(length.tokens);
  const auto low = static_cast<std::int64_t>(std::ceil(length.low));
  const auto high = static_cast<std::int64_t>(std::floor(length.high));
  return static_cast<std::int32_t>(low + ((high - low + 1) * std::int64_t{word} >> 32));
}

}  // namespace

double cache_blocks(const MemoryPlan& plan, double context, int block_tokens) {
  const double per_token = (plan.kv_per_sequence + plan.state_per_sequence) / context;
  return per_token > 0 ? plan.for_sequences / (per_token * block_tokens) : 0;
}

MeasuredTimes simulate_loop(const MeasuredLoop& loop, std::uint64_t seed) {
  RequestTable table;
  const std::int64_t requests = loop.users * requests_per_user;
  table.reserve(static_cast<std::size_t>(requests));
  for (std::int64_t i = 0; i < requests; ++i) {
    const kernels::Words4 words =
        kernels::philox4x32(static_cast<std::uint32_t>(i), 0, 0, 0x4C4F4F50, seed);
    table.input.push_back(std::max(1, length_at(loop.request.input, words.w[0])));
    table.output.push_back(std::max(1, length_at(loop.request.output, words.w[1])));
  }
  ServingSystem system;
  SchedulerConfig& scheduler = system.engines.scheduler;
  scheduler = scheduler_for(*loop.engine, loop.hardware->memory);
  scheduler.ranks = loop.ranks.data_attention;
  scheduler.prefix_cache = false;
  // A measured run did fit: at least one request of the longest kind.
  const double longest = loop.request.input.tokens + loop.request.input.high +
                         loop.request.output.tokens + loop.request.output.high;
  scheduler.blocks = static_cast<std::int64_t>(
      std::max(loop.blocks, std::ceil(longest / scheduler.block_tokens) + 2));
  system.engines.timer = loop.table;
  const double ingest = loop.engine->host_per_request;
  system.closed_loop =
      ClosedLoop{loop.users, static_cast<Ticks>(ingest * static_cast<double>(ticks_per_second))};
  const Outcome out = simulate(system, table);

  MeasuredTimes mean;
  std::int64_t decoded = 0;
  for (std::size_t i = 0; i < table.input.size(); ++i) {
    mean.ttft += to_seconds(out.first[i] - out.arrival[i]);
    if (table.output[i] < 2) continue;
    mean.tpot += to_seconds(out.last[i] - out.first[i]) / (table.output[i] - 1);
    ++decoded;
  }
  mean.ttft = ingest + mean.ttft / static_cast<double>(requests);
  if (decoded > 0) mean.tpot /= static_cast<double>(decoded);
  return mean;
}

}  // namespace tollgate
