#include "sim/study/measured_loop.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "kernels/core/philox.h"

namespace tollgate {
namespace {

constexpr Ticks ticks_per_nanosecond = ticks_per_second / 1'000'000'000;
constexpr std::uint32_t length_key = 0x4C4F4F50, ingest_key = 0x494E4745, prompt_key = 0x50524F4D;

/// A length of the class at a 32-bit draw.
std::int32_t length_at(const LengthSpec& length, std::uint32_t word) {
  if (length.kind != LengthKind::uniform) return static_cast<std::int32_t>(length.tokens);
  const auto low = static_cast<std::int64_t>(std::ceil(length.low));
  const auto high = static_cast<std::int64_t>(std::floor(length.high));
  return static_cast<std::int32_t>(low + ((high - low + 1) * std::int64_t{word} >> 32));
}

/// Quantiles of the exponential distribution of mean 1 at the middles of 1024 equal shares, in
/// 2^-20, scaled so that their mean is 1. Rounded, so that the last bit of a logarithm does not
/// matter.
const std::array<std::int64_t, 1024>& exponential_quantiles() {
  static const auto table = [] {
    std::array<std::int64_t, 1024> t{};
    double sum = 0;
    for (std::size_t i = 0; i < t.size(); ++i) sum -= std::log1p(-(i + 0.5) / t.size());
    for (std::size_t i = 0; i < t.size(); ++i) {
      const double q = -std::log1p(-(i + 0.5) / t.size()) * t.size() / sum;
      t[i] = std::llround(q * (1 << 20));
    }
    return t;
  }();
  return table;
}

/// The numbers below `count` in an order of their own for every `round` (Fisher and Yates).
std::vector<std::int32_t> shuffled(std::int64_t count, std::int64_t round, std::uint64_t seed) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t left = count; left > 1; --left) {
    const kernels::Words4 words = kernels::philox4x32(
        static_cast<std::uint32_t>(round), static_cast<std::uint32_t>(left), 0, prompt_key, seed);
    std::swap(order[static_cast<std::size_t>(left - 1)],
              order[static_cast<std::size_t>(left * words.w[0] >> 32)]);
  }
  return order;
}

}  // namespace

std::vector<Ticks> ingest_times(double mean, std::size_t count, std::uint64_t seed) {
  const auto unit = static_cast<std::int64_t>(std::llround(mean * 1e9));  // nanoseconds
  std::vector<Ticks> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    const kernels::Words4 words =
        kernels::philox4x32(static_cast<std::uint32_t>(i), 0, 0, ingest_key, seed);
    const std::int64_t quantile = exponential_quantiles()[words.w[0] >> 22];
    out[i] = (unit * quantile >> 20) * ticks_per_nanosecond;
  }
  return out;
}

MeasuredTimes simulate_loop(const MeasuredLoop& loop, std::uint64_t seed) {
  RequestTable table;
  const std::int64_t requests = loop.requests > 0 ? loop.requests : loop.users * requests_per_user;
  table.reserve(static_cast<std::size_t>(requests));
  for (std::int64_t i = 0; i < requests; ++i) {
    const kernels::Words4 words =
        kernels::philox4x32(static_cast<std::uint32_t>(i), 0, 0, length_key, seed);
    table.input.push_back(std::max(1, length_at(loop.request.input, words.w[0])));
    table.output.push_back(std::max(1, length_at(loop.request.output, words.w[1])));
  }
  if (loop.distinct_prompts > 0) {
    table.streams.resize(static_cast<std::size_t>(loop.distinct_prompts));
    table.shared = table.input;
    for (std::int64_t round = 0; table.stream.size() < table.input.size(); ++round) {
      for (const std::int32_t prompt : shuffled(loop.distinct_prompts, round, seed)) {
        if (table.stream.size() < table.input.size()) table.stream.push_back(prompt);
      }
    }
  }
  ServingSystem system = loop.system;
  ClosedLoop users;
  users.users = loop.users;
  users.ingest = ingest_times(loop.ingest, static_cast<std::size_t>(requests), seed);
  users.reading = static_cast<Ticks>(std::llround(loop.reading * 1e9)) * ticks_per_nanosecond;
  system.closed_loop = std::move(users);
  const Outcome out = simulate(system, table);

  MeasuredTimes mean;
  std::int64_t decoded = 0;
  for (std::size_t i = 0; i < table.input.size(); ++i) {
    mean.ttft += to_seconds(out.first[i] - out.arrival[i]);
    mean.duration = std::max(mean.duration, to_seconds(out.last[i]));
    mean.output_tokens += table.output[i];
    if (table.output[i] < 2) continue;
    mean.tpot += to_seconds(out.last[i] - out.first[i]) / (table.output[i] - 1);
    ++decoded;
  }
  mean.ttft = (out.before_arrival + mean.ttft) / static_cast<double>(requests);
  if (decoded > 0) mean.tpot /= static_cast<double>(decoded);
  return mean;
}

}  // namespace tollgate
