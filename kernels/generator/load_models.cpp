#include "kernels/generator/load_models.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <stdexcept>
#include <string>

#include "kernels/core/gate_spec.h"
#include "kernels/core/philox.h"
#include "kernels/generator/draw_purpose.h"
#include "kernels/generator/fixed_exp.h"

namespace tollgate::kernels {
namespace {

void require(bool ok, const char* sentence) {
  if (!ok) throw std::invalid_argument(sentence);
}

/// exp(x) for x <= 0 with 20 fraction bits in 64.
std::uint32_t exp_of(std::int64_t x) {
  return exp_q31(static_cast<std::int32_t>(
      std::clamp<std::int64_t>(x, -(std::int64_t{1000} << kLogitFraction), 0)));
}

/// ln(value / 2^31) with 20 fraction bits.
std::int64_t log_of_q31(std::uint64_t value) {
  return log_q20(std::max<std::uint64_t>(value, 1)) - log_q20(std::uint64_t{1} << 31);
}

/// The experts of a layer in random order.
std::vector<int> random_order(int experts, int layer, std::uint64_t seed) {
  std::vector<std::pair<std::uint32_t, int>> keys;
  for (int e = 0; e < experts; ++e) {
    const Words4 words = philox4x32(static_cast<std::uint32_t>(e), draw_block(kZipfOrder, 0),
                                    static_cast<std::uint32_t>(layer), 0, seed);
    keys.push_back({words.w[0], e});
  }
  std::sort(keys.begin(), keys.end());
  std::vector<int> order;
  for (const auto& [key, expert] : keys) order.push_back(expert);
  return order;
}

std::string short_number(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

}  // namespace

LoadModel parse_load_model(std::string_view text) {
  LoadModel model;
  if (text == "uniform") return model;
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  bool ok = colon != std::string_view::npos && (name == "zipf" || name == "power_law");
  if (ok) {
    const std::string_view number = text.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), model.exponent);
    ok = error == std::errc() && end == number.data() + number.size() && model.exponent >= 0 &&
         model.exponent <= 8;
  }
  if (!ok) {
    throw std::invalid_argument(
        "The load model must be uniform, zipf:S or power_law:ALPHA with a number from 0 to 8.");
  }
  model.kind = name == "zipf" ? LoadModel::Kind::zipf : LoadModel::Kind::power_law;
  return model;
}

std::string to_text(const LoadModel& model) {
  switch (model.kind) {
    case LoadModel::Kind::uniform:
      return "uniform";
    case LoadModel::Kind::zipf:
      return "Zipf " + short_number(model.exponent);
    case LoadModel::Kind::power_law:
      return "power law " + short_number(model.exponent) + " (AIConfigurator)";
    case LoadModel::Kind::counts:
      break;
  }
  return "recorded counts";
}

std::vector<std::uint32_t> weights_of(const LoadModel& model, int experts, int top_k, int layers,
                                      int tokens, std::uint64_t seed) {
  require(experts >= 1 && experts <= kMaxExperts, "The number of experts must be 1 to 1024.");
  require(top_k >= 1 && top_k <= experts, "top_k must be 1 to the number of experts.");
  require(layers >= 1, "The number of layers must be 1 or more.");
  const auto size = static_cast<std::size_t>(experts);
  const auto all = static_cast<std::size_t>(layers) * size;
  std::vector<std::uint32_t> weights;
  switch (model.kind) {
    case LoadModel::Kind::uniform:
      weights.assign(all, 1u << 20);
      break;
    case LoadModel::Kind::zipf: {
      const std::vector<std::uint32_t> ranked = zipf_weights(experts, model.exponent);
      weights.resize(all);
      for (int layer = 0; layer < layers; ++layer) {
        const std::vector<int> order = random_order(experts, layer, seed);
        for (std::size_t rank = 0; rank < size; ++rank) {
          weights[static_cast<std::size_t>(layer) * size + static_cast<std::size_t>(order[rank])] =
              ranked[rank];
        }
      }
      break;
    }
    case LoadModel::Kind::power_law:
      if (model.exponent == 0) return weights_of({}, experts, top_k, layers, tokens, seed);
      for (int layer = 0; layer < layers; ++layer) {
        const auto row = replay_weights(power_law_counts(experts, top_k, tokens, model.exponent,
                                                         seed, static_cast<std::uint32_t>(layer)),
                                        experts, top_k);
        weights.insert(weights.end(), row.begin(), row.end());
      }
      break;
    case LoadModel::Kind::counts: {
      const auto rows = replay_weights(model.counts, experts, top_k);
      const std::size_t count = rows.size() / size;
      for (std::size_t layer = 0; layer < static_cast<std::size_t>(layers); ++layer) {
        const auto row =
            rows.begin() +
            static_cast<std::ptrdiff_t>(layer * count / static_cast<std::size_t>(layers) * size);
        weights.insert(weights.end(), row, row + experts);
      }
      break;
    }
  }
  return weights;
}

std::vector<std::uint32_t> zipf_weights(int experts, double s) {
  require(experts >= 1 && experts <= kMaxExperts, "The number of experts must be 1 to 1024.");
  require(s >= 0 && s <= 8, "The exponent of Zipf's law must be 0 to 8.");
  const std::int64_t exponent = to_fixed(s, 16);
  std::vector<std::uint32_t> weights;
  for (int e = 0; e < experts; ++e) {
    const std::int64_t log = -((exponent * log_q20(static_cast<std::uint64_t>(e) + 1)) >> 16);
    weights.push_back(std::min(exp_of(log), (1u << 31) - 1));
  }
  return weights;
}

std::vector<std::int64_t> power_law_counts(int experts, int top_k, int tokens, double alpha,
                                           std::uint64_t seed, std::uint32_t stream) {
  require(experts >= 1 && experts <= kMaxExperts, "The number of experts must be 1 to 1024.");
  require(top_k >= 1 && top_k <= experts, "top_k must be 1 to the number of experts.");
  require(tokens >= 2 && tokens <= 1 << 24, "The number of tokens must be 2 to 2^24.");
  require(alpha >= 0 && alpha <= 8, "The exponent of the power law must be 0 to 8.");
  // ln of the load, by inverse distribution function, with 20 fraction bits. With a = 1 - alpha and
  // b = 0.8 * tokens: x = (1 + (b^a - 1) u)^(1/a), and x = b^u for a = 0.
  const std::int64_t log_b = log_q20(static_cast<std::uint64_t>(tokens) * 4) - log_q20(5);
  const std::int64_t a = (std::int64_t{1} << 16) - to_fixed(alpha, 16);
  std::vector<std::uint64_t> load(static_cast<std::size_t>(experts));
  std::uint64_t sum = 0;
  for (int e = 0; e < experts; ++e) {
    const Words4 words =
        philox4x32(static_cast<std::uint32_t>(e), draw_block(kPowerLaw, 0), 0, stream, seed);
    const std::uint64_t u = std::max(words.w[0] >> 1, 1u);  // 31 fraction bits
    const std::uint64_t rest = (std::uint64_t{1} << 31) - u;
    std::int64_t log_x;
    if (a == 0) {
      log_x = static_cast<std::int64_t>(u) * log_b >> 31;
    } else if (a < 0) {
      const std::uint64_t end = exp_of((a * log_b) >> 16);
      log_x = log_of_q31(rest + ((end * u) >> 31)) * 65536 / a;
    } else {
      const std::uint64_t end = exp_of(-((a * log_b) >> 16));
      log_x = log_b + log_of_q31(u + ((end * rest) >> 31)) * 65536 / a;
    }
    load[e] = std::max<std::uint64_t>(exp_of(log_x - log_b), 1);
    sum += load[e];
  }

  // Experts that would get every token or more get every token; the others share the rest.
  std::vector<std::int64_t> counts(load.size());
  std::uint64_t all = static_cast<std::uint64_t>(tokens) * static_cast<std::uint64_t>(top_k);
  const auto most = static_cast<std::uint64_t>(tokens);
  for (bool again = true; again;) {
    again = false;
    for (std::size_t e = 0; e < load.size(); ++e) {
      if (load[e] == 0 || load[e] * all / sum < most) continue;  // below 2^31 * 2^29
      counts[e] = tokens;
      all -= most;
      sum -= load[e];
      load[e] = 0;
      again = true;
    }
  }
  std::vector<std::pair<std::uint64_t, std::size_t>> remainders;
  std::uint64_t left = all;
  for (std::size_t e = 0; e < load.size(); ++e) {
    if (load[e] == 0) continue;
    const std::uint64_t product = load[e] * all;
    counts[e] = static_cast<std::int64_t>(product / sum);
    left -= product / sum;
    remainders.push_back({sum - product % sum, e});
  }
  std::sort(remainders.begin(), remainders.end());
  for (std::size_t i = 0; i < left; ++i) counts[remainders[i].second] += 1;
  return counts;
}

std::vector<std::uint32_t> replay_weights(std::span<const std::int64_t> counts, int experts,
                                          int top_k) {
  require(experts >= 1 && experts <= kMaxExperts, "The number of experts must be 1 to 1024.");
  require(top_k >= 1 && top_k <= experts, "top_k must be 1 to the number of experts.");
  const auto size = static_cast<std::size_t>(experts);
  require(!counts.empty() && counts.size() % size == 0,
          "The counts are not a whole number of layers.");
  std::vector<std::uint32_t> weights;
  for (std::size_t base = 0; base < counts.size(); base += size) {
    const auto layer = counts.subspan(base, size);
    for (const std::int64_t n : layer) {
      require(n >= 0 && n < std::int64_t{1} << 40, "A count is negative or beyond 2^40.");
    }
    const std::int64_t sum = std::accumulate(layer.begin(), layer.end(), std::int64_t{0});
    if (sum == 0) {
      throw std::invalid_argument("Layer " + std::to_string(base / size) +
                                  " of the counts has no activations.");
    }
    const double tokens = static_cast<double>(sum) / top_k;
    for (const std::int64_t n : layer) {
      // -ln(1 - p), largest 6.9, with 28 fraction bits: w = 2^31 / 8 per unit.
      const double p = std::min(static_cast<double>(n) / tokens, 0.999);
      if (p < 1.0 / 4096) {  // -ln(1 - p) = p + p^2 / 2, and the logarithm has 20 bits only
        weights.push_back(static_cast<std::uint32_t>((p + p * p / 2) * (1 << 28) + 0.5));
        continue;
      }
      const auto survival = static_cast<std::uint64_t>((1 - p) * 2147483648.0 + 0.5);
      weights.push_back(static_cast<std::uint32_t>(-log_of_q31(survival)) << 8);
    }
  }
  return weights;
}

std::vector<std::int32_t> log_popularity(std::span<const std::uint32_t> weights, int experts) {
  require(experts >= 1 && experts <= kMaxExperts, "The number of experts must be 1 to 1024.");
  const auto size = static_cast<std::size_t>(experts);
  require(!weights.empty() && weights.size() % size == 0,
          "The weights are not a whole number of layers.");
  constexpr std::int32_t floor = -(32 << kLogitFraction);
  std::vector<std::int32_t> out;
  for (std::size_t base = 0; base < weights.size(); base += size) {
    const auto layer = weights.subspan(base, size);
    const std::uint32_t largest = *std::max_element(layer.begin(), layer.end());
    require(largest > 0, "A layer of the popularity has only zeros.");
    for (const std::uint32_t w : layer) {
      out.push_back(w == 0 ? floor : std::max(floor, log_q20(w) - log_q20(largest)));
    }
  }
  return out;
}

}  // namespace tollgate::kernels
