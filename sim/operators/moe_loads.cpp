#include "sim/operators/moe_loads.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace tollgate {
namespace {

using Counts = std::vector<std::int64_t>;

/// splitmix64 of a counter (Steele, Lea, Flood 2014): uniform in (0, 1).
double uniform(std::uint64_t counter) {
  std::uint64_t z = (counter + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return (static_cast<double>(z >> 11) + 0.5) * 0x1p-53;
}

void add(RankLoad& load, std::span<const std::int64_t> counts, double weight) {
  const auto padded = [](std::int64_t rows, std::int64_t tile) {
    return static_cast<double>((rows + tile - 1) / tile * tile);
  };
  for (const std::int64_t rows : counts) {
    load.rows += weight * static_cast<double>(rows);
    load.active += rows > 0 ? weight : 0;
    load.rows16 += weight * padded(rows, 16);
    load.rows64 += weight * padded(rows, 64);
    load.rows128 += weight * padded(rows, 128);
  }
}

Counts balanced(int experts, int top_k, int tokens) {
  Counts counts(static_cast<std::size_t>(experts));
  const int stride = (experts + top_k - 1) / top_k;
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::int64_t first = tokens >= stride ? t : t * stride / tokens;
    for (std::int64_t i = 0; i < top_k; ++i) {
      ++counts[static_cast<std::size_t>((first + i * stride) % experts)];
    }
  }
  return counts;
}

/// Moves `amount` rows onto the emptiest experts (step 1) or off the fullest (step -1), one per
/// rank in turn, keeping every count within 0..limit.
void level(Counts& counts, int ranks, std::int64_t amount, int step, std::int64_t limit) {
  const std::size_t size = counts.size() / static_cast<std::size_t>(ranks);
  const auto later = [&](std::int64_t a, std::int64_t b) { return step > 0 ? a > b : a < b; };
  std::vector<std::span<std::int64_t>> heaps;
  for (std::size_t r = 0; r < static_cast<std::size_t>(ranks); ++r) {
    heaps.emplace_back(counts.data() + r * size, size);
    std::make_heap(heaps.back().begin(), heaps.back().end(), later);
  }
  while (amount > 0) {
    const std::int64_t before = amount;
    for (const auto& heap : heaps) {
      if (amount == 0) break;
      const std::int64_t next = heap.front();
      if (step > 0 ? next >= limit : next <= 0) continue;
      std::pop_heap(heap.begin(), heap.end(), later);
      heap.back() = next + step;
      std::push_heap(heap.begin(), heap.end(), later);
      --amount;
    }
    if (amount == before) return;
  }
}

Counts power_law(int experts, int top_k, int ranks, int tokens, double exponent,
                 std::uint64_t draw) {
  const std::int64_t total = static_cast<std::int64_t>(tokens) * top_k;
  const double low = total > experts ? 1 : 0.01;
  const double high = total > experts ? 0.8 * tokens : 2;
  const double power = 1 - exponent;
  const double a = std::pow(low, power), b = std::pow(high, power);
  std::vector<double> wish(static_cast<std::size_t>(experts));
  double sum = 0;
  for (std::size_t e = 0; e < wish.size(); ++e) {
    const double u = uniform(draw << 32 | e);
    wish[e] = std::pow((b - a) * u + a, 1 / power);
    sum += wish[e];
  }
  Counts counts(wish.size());
  std::int64_t over = 0, placed = 0;
  for (std::size_t e = 0; e < wish.size(); ++e) {
    const auto rows =
        static_cast<std::int64_t>(std::nearbyint(wish[e] / sum * static_cast<double>(total)));
    counts[e] = std::min<std::int64_t>(rows, tokens);
    over += rows - counts[e];
    placed += rows;
  }
  level(counts, ranks, over, 1, tokens);
  if (placed < total) level(counts, ranks, total - placed, 1, tokens);
  if (placed > total) level(counts, ranks, placed - total, -1, tokens);
  return counts;
}

}  // namespace

RankLoad published_load(int experts, int top_k, int ranks, int tokens,
                        std::string_view distribution, int draws) {
  if (experts < 1 || top_k < 1 || top_k > experts || ranks < 1 || experts % ranks != 0 ||
      tokens < 1 || draws < 1) {
    throw std::invalid_argument("Loads of " + std::to_string(experts) + " experts, top " +
                                std::to_string(top_k) + ", on " + std::to_string(ranks) +
                                " ranks for " + std::to_string(tokens) +
                                " tokens: the ranks must divide the experts and all be positive.");
  }
  RankLoad load;
  const auto size = static_cast<std::size_t>(experts / ranks);
  if (distribution == "balanced") {
    const Counts counts = balanced(experts, top_k, tokens);
    add(load, std::span(counts).first(size), 1);
    return load;
  }
  constexpr std::string_view prefix = "power_law_";
  double exponent = 0;
  if (distribution.starts_with(prefix)) {
    const std::string_view number = distribution.substr(prefix.size());
    std::from_chars(number.data(), number.data() + number.size(), exponent);
  }
  if (!(exponent > 0) || exponent == 1) {
    throw std::invalid_argument(
        "Unknown distribution of tokens over experts: " + std::string(distribution) + ".");
  }
  for (int draw = 0; draw < draws; ++draw) {
    const Counts counts =
        power_law(experts, top_k, ranks, tokens, exponent, static_cast<std::uint64_t>(draw));
    std::size_t fullest = 0;
    std::int64_t most = -1;
    for (std::size_t r = 0; r < static_cast<std::size_t>(ranks); ++r) {
      std::int64_t sum = 0;
      for (std::size_t e = 0; e < size; ++e) sum += counts[r * size + e];
      if (sum > most) most = sum, fullest = r;
    }
    add(load, std::span(counts).subspan(fullest * size, size), 1.0 / draws);
  }
  return load;
}

const RankLoad& cached_published_load(int experts, int top_k, int ranks, int tokens,
                                      std::string_view distribution) {
  using Key = std::tuple<int, int, int, int, std::string>;
  static std::mutex mutex;
  static std::map<Key, RankLoad> loads;
  Key key(experts, top_k, ranks, tokens, distribution);
  {
    const std::lock_guard lock(mutex);
    const auto found = loads.find(key);
    if (found != loads.end()) return found->second;
  }
  const RankLoad load = published_load(experts, top_k, ranks, tokens, distribution);
  const std::lock_guard lock(mutex);
  return loads.emplace(std::move(key), load).first->second;
}

}  // namespace tollgate
