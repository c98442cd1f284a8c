#include "kernels/trace/trace_statistics.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <stdexcept>

#include "kernels/core/philox.h"
#include "kernels/core/shape.h"
#include "kernels/generator/draw_purpose.h"

namespace tollgate::kernels {
namespace {

enum class Kind : std::uint32_t { mixed, single_domain, prefill };

/// A mean that is not a number when nothing was added.
struct Mean {
  double sum = 0;
  double weight = 0;
  void add(double value, double w = 1) {
    if (std::isnan(value)) return;
    sum += value * w;
    weight += w;
  }
  double value() const { return sum / weight; }
};

/// The tokens of each domain are contiguous here, whatever their order in the trace.
struct Layout {
  std::vector<std::vector<std::int32_t>> tokens;     // [domain] in order
  std::vector<std::vector<std::int32_t>> sequences;  // [domain] indices

  explicit Layout(const RoutingTrace& trace)
      : tokens(trace.domains.size()), sequences(trace.domains.size()) {
    for (std::size_t s = 0; s < trace.sequences.size(); ++s) {
      const TraceSequence& sequence = trace.sequences[s];
      const auto d = static_cast<std::size_t>(sequence.domain);
      sequences[d].push_back(static_cast<std::int32_t>(s));
      for (int t = 0; t < sequence.tokens; ++t) tokens[d].push_back(sequence.first + t);
    }
    std::erase_if(tokens, [](const auto& list) { return list.empty(); });
    std::erase_if(sequences, [](const auto& list) { return list.empty(); });
  }
};

/// The tokens of one batch.
void draw_batch(const Layout& layout, const TraceStatisticsOptions& options, Kind kind, int layer,
                int size, int sample, std::vector<std::int32_t>& batch) {
  const auto domains = static_cast<std::uint32_t>(layout.tokens.size());
  const auto words = [&](int block) {
    return philox4x32(static_cast<std::uint32_t>(block),
                      draw_block(kTraceSample, static_cast<std::uint32_t>(sample)),
                      static_cast<std::uint32_t>(layer) << 2 | static_cast<std::uint32_t>(kind),
                      static_cast<std::uint32_t>(size), options.seed);
  };
  batch.clear();
  const auto common = static_cast<std::uint32_t>(sample) % domains;  // domains take turns
  if (kind == Kind::prefill) {
    const auto& list = layout.tokens[common];
    std::size_t at = multiply_high(words(0).w[0], static_cast<std::uint32_t>(list.size()));
    for (int i = 0; i < size; ++i)
      batch.push_back(list[(at + static_cast<std::size_t>(i)) % list.size()]);
    return;
  }
  for (int i = 0; i < size; i += 4) {
    const Words4 four = words(i / 4);
    for (int j = 0; j < 4 && i + j < size; ++j) {
      const std::uint64_t product = static_cast<std::uint64_t>(four.w[j]) * domains;
      const bool mixed = kind == Kind::mixed;
      const auto& list = layout.tokens[mixed ? product >> 32 : common];
      const auto word = mixed ? static_cast<std::uint32_t>(product) : four.w[j];
      batch.push_back(list[multiply_high(word, static_cast<std::uint32_t>(list.size()))]);
    }
  }
}

double cv_of(std::span<const double> loads) {
  const double n = static_cast<double>(loads.size());
  const double mean = std::accumulate(loads.begin(), loads.end(), 0.0) / n;
  double square = 0;
  for (const double load : loads) square += (load - mean) * (load - mean);
  return std::sqrt(square / n) / mean;
}

BatchSkew skew_of(const RoutingTrace& trace, const Layout& layout,
                  const TraceStatisticsOptions& options, Kind kind, int layer, int size) {
  BatchSkew skew;
  skew.batch_size = size;
  skew.rank_max_over_mean.assign(options.rank_counts.size(), 0);
  std::vector<std::int32_t> batch;
  std::vector<std::int32_t> count(static_cast<std::size_t>(trace.experts));
  const double assignments = static_cast<double>(size) * trace.top_k;
  const double mean = assignments / trace.experts;
  for (int sample = 0; sample < options.samples; ++sample) {
    draw_batch(layout, options, kind, layer, size, sample, batch);
    std::fill(count.begin(), count.end(), 0);
    for (const std::int32_t token : batch) {
      for (const std::uint16_t e : trace.choice(layer, token)) count[e] += 1;
    }
    std::int64_t squares = 0;
    int distinct = 0;
    for (const std::int32_t n : count) {
      squares += static_cast<std::int64_t>(n) * n;
      distinct += n > 0 ? 1 : 0;
    }
    skew.max_over_mean += *std::max_element(count.begin(), count.end()) / mean;
    const double square_mean = static_cast<double>(squares) / trace.experts / (mean * mean);
    skew.cv += std::sqrt(std::max(0.0, square_mean - 1));
    skew.distinct += distinct;
    for (std::size_t r = 0; r < options.rank_counts.size(); ++r) {
      const int ranks = options.rank_counts[r];
      const int per_rank = experts_per_rank(trace.experts, ranks);
      std::int32_t busiest = 0;
      for (int e = 0; e < trace.experts; e += per_rank) {
        const auto end = count.begin() + std::min(e + per_rank, trace.experts);
        busiest = std::max(busiest, std::accumulate(count.begin() + e, end, 0));
      }
      skew.rank_max_over_mean[r] += busiest / (assignments / ranks);
    }
  }
  skew.max_over_mean /= options.samples;
  skew.cv /= options.samples;
  skew.distinct /= options.samples;
  for (double& value : skew.rank_max_over_mean) value /= options.samples;
  return skew;
}

/// A layer's overlaps; the names are those of TraceStatistics.
struct Overlaps {
  double lag1, lag2, lag64, same_sequence, same_domain, cross_domain, mixed_cv, domain_cv;
};

Overlaps overlaps_of(const RoutingTrace& trace, const Layout& layout, int layer, int skip) {
  const auto experts = static_cast<std::size_t>(trace.experts);
  const std::size_t parts = (experts + 63) / 64;
  const double k = trace.top_k;
  std::vector<std::uint64_t> sets(static_cast<std::size_t>(trace.tokens()) * parts);
  for (int t = 0; t < trace.tokens(); ++t) {
    std::uint64_t* set = sets.data() + static_cast<std::size_t>(t) * parts;
    for (const std::uint16_t e : trace.choice(layer, t))
      set[e / 64] |= std::uint64_t{1} << (e % 64);
  }

  Mean lags[3], same_sequence, same_domain, cross_domain, domain_cv;
  constexpr int kLags[3] = {1, 2, 64};
  std::vector<std::vector<double>> shares;  // [domain][expert], tokens per token
  for (const auto& sequences : layout.sequences) {
    std::int64_t lag_hits[3] = {}, lag_pairs[3] = {};
    std::vector<std::int64_t> domain(experts), count(experts);
    Mean within;
    double tokens = 0, own_pairs = 0, own_hits = 0;
    for (const std::int32_t s : sequences) {
      const TraceSequence& sequence = trace.sequences[static_cast<std::size_t>(s)];
      std::fill(count.begin(), count.end(), 0);
      for (int t = 0; t < sequence.tokens; ++t) {
        for (const std::uint16_t e : trace.choice(layer, sequence.first + t)) count[e] += 1;
      }
      for (int i = 0; i < 3; ++i) {
        for (int t = skip + kLags[i]; t < sequence.tokens; ++t) {
          const std::uint64_t* now =
              sets.data() + static_cast<std::size_t>(sequence.first + t) * parts;
          const std::uint64_t* then = now - static_cast<std::size_t>(kLags[i]) * parts;
          for (std::size_t p = 0; p < parts; ++p) {
            lag_hits[i] += __builtin_popcountll(now[p] & then[p]);
          }
          lag_pairs[i] += 1;
        }
      }
      const double n = sequence.tokens;
      double hits = 0;
      for (std::size_t e = 0; e < experts; ++e) {
        domain[e] += count[e];
        hits += static_cast<double>(count[e]) * static_cast<double>(count[e]);
      }
      tokens += n;
      own_pairs += n * n;
      own_hits += hits;
      if (n > 1) within.add((hits - n * k) / (n * (n - 1) * k), n);
    }
    for (int i = 0; i < 3; ++i) {
      lags[i].add(static_cast<double>(lag_hits[i]) / (static_cast<double>(lag_pairs[i]) * k));
    }
    same_sequence.add(within.value());
    double hits = 0;
    std::vector<double> share;
    for (const std::int64_t n : domain) {
      hits += static_cast<double>(n) * static_cast<double>(n);
      share.push_back(static_cast<double>(n) / tokens);
    }
    same_domain.add((hits - own_hits) / ((tokens * tokens - own_pairs) * k));
    domain_cv.add(cv_of(share));
    shares.push_back(std::move(share));
  }
  std::vector<double> mixed(experts);
  for (std::size_t a = 0; a < shares.size(); ++a) {
    for (std::size_t e = 0; e < experts; ++e) mixed[e] += shares[a][e];
    for (std::size_t b = 0; b < a; ++b) {
      double hits = 0;
      for (std::size_t e = 0; e < experts; ++e) hits += shares[a][e] * shares[b][e];
      cross_domain.add(hits / k);
    }
  }
  return {lags[0].value(),     lags[1].value(),      lags[2].value(), same_sequence.value(),
          same_domain.value(), cross_domain.value(), cv_of(mixed),    domain_cv.value()};
}

struct Prediction {
  double co_occurrence, marginal;
};

/// How well the choice at layer + 1 follows from that at `layer`.
Prediction predict(const RoutingTrace& trace, int layer) {
  const auto experts = static_cast<std::size_t>(trace.experts);
  std::vector<double> together(experts * experts), alone(experts), next(experts);
  std::vector<double> score(experts);
  std::vector<std::uint16_t> order(experts);
  const auto best = [&](const std::vector<double>& values) {
    std::iota(order.begin(), order.end(), std::uint16_t{0});
    std::partial_sort(order.begin(), order.begin() + trace.top_k, order.end(),
                      [&](std::uint16_t a, std::uint16_t b) {
                        return values[a] != values[b] ? values[a] > values[b] : a < b;
                      });
    return std::span<const std::uint16_t>(order).first(static_cast<std::size_t>(trace.top_k));
  };
  const auto hits = [&](std::span<const std::uint16_t> named, std::span<const std::uint16_t> real) {
    int count = 0;
    for (const std::uint16_t e : real) {
      count += std::find(named.begin(), named.end(), e) != named.end() ? 1 : 0;
    }
    return count;
  };
  std::int64_t found = 0, found_marginal = 0, tested = 0;
  for (const int parity : {0, 1}) {
    std::vector<std::uint16_t> frequent;
    if (parity == 1) {
      for (std::size_t e = 0; e < experts; ++e) {
        for (std::size_t f = 0; f < experts; ++f) {
          together[e * experts + f] /= std::max(alone[e], 1.0);
        }
      }
      const auto named = best(next);
      frequent.assign(named.begin(), named.end());
    }
    for (std::size_t s = static_cast<std::size_t>(parity); s < trace.sequences.size(); s += 2) {
      const TraceSequence& sequence = trace.sequences[s];
      for (int t = sequence.first; t < sequence.first + sequence.tokens; ++t) {
        const auto here = trace.choice(layer, t);
        const auto there = trace.choice(layer + 1, t);
        if (parity == 0) {
          for (const std::uint16_t e : here) {
            alone[e] += 1;
            for (const std::uint16_t f : there) together[e * experts + f] += 1;
          }
          for (const std::uint16_t f : there) next[f] += 1;
          continue;
        }
        std::fill(score.begin(), score.end(), 0.0);
        for (const std::uint16_t e : here) {
          for (std::size_t f = 0; f < experts; ++f) score[f] += together[e * experts + f];
        }
        found += hits(best(score), there);
        found_marginal += hits(frequent, there);
        tested += trace.top_k;
      }
    }
  }
  const auto all = static_cast<double>(tested);
  return {static_cast<double>(found) / all, static_cast<double>(found_marginal) / all};
}

void check(const RoutingTrace& trace, const TraceStatisticsOptions& options) {
  const auto require = [](bool ok, const char* sentence) {
    if (!ok) throw std::invalid_argument(sentence);
  };
  require(trace.tokens() > 0 && trace.layers > 0, "The trace has no tokens.");
  for (std::size_t d = 0; d < trace.domains.size(); ++d) {
    const bool there = std::any_of(
        trace.sequences.begin(), trace.sequences.end(), [&](const TraceSequence& sequence) {
          return sequence.domain == static_cast<int>(d) && sequence.tokens > 0;
        });
    if (!there) {
      throw std::invalid_argument("The domain " + trace.domains[d] +
                                  " has no tokens in the trace.");
    }
  }
  require(options.samples > 0 && options.samples < 1 << 24, "samples must be 1 to 2^24 - 1.");
  require(options.skip_tokens >= 0, "skip_tokens must not be negative.");
  for (const int size : options.batch_sizes) require(size > 0, "A batch size is not positive.");
  for (const int ranks : options.rank_counts) {
    require(ranks > 0 && ranks <= trace.experts, "A rank count is not 1 to the number of experts.");
  }
}

}  // namespace

TraceStatistics trace_statistics(const RoutingTrace& trace, const TraceStatisticsOptions& options) {
  check(trace, options);
  const Layout layout(trace);
  constexpr Kind kKinds[3] = {Kind::mixed, Kind::single_domain, Kind::prefill};
  TraceStatistics result;
  std::vector<BatchSkew>* const lists[3] = {&result.mixed, &result.single_domain, &result.prefill};

  const std::size_t sizes = options.batch_sizes.size();
  const auto layers = static_cast<std::size_t>(trace.layers);
  std::vector<BatchSkew> skews(layers * 3 * sizes);
  std::vector<Overlaps> overlaps(layers);
  std::vector<Prediction> predictions(options.cross_layer ? layers - 1 : 0);
  tbb::parallel_for(std::size_t{0}, layers, [&](std::size_t l) {
    const int layer = static_cast<int>(l);
    for (std::size_t i = 0; i < 3 * sizes; ++i) {
      skews[l * 3 * sizes + i] =
          skew_of(trace, layout, options, kKinds[i / sizes], layer, options.batch_sizes[i % sizes]);
    }
    overlaps[l] = overlaps_of(trace, layout, layer, options.skip_tokens);
    if (l < predictions.size()) predictions[l] = predict(trace, layer);
  });

  const double n = static_cast<double>(layers);
  for (std::size_t i = 0; i < 3 * sizes; ++i) {
    BatchSkew sum;
    sum.batch_size = options.batch_sizes[i % sizes];
    sum.rank_max_over_mean.assign(options.rank_counts.size(), 0);
    for (std::size_t l = 0; l < layers; ++l) {
      const BatchSkew& one = skews[l * 3 * sizes + i];
      sum.max_over_mean += one.max_over_mean / n;
      sum.cv += one.cv / n;
      sum.distinct += one.distinct / n;
      for (std::size_t r = 0; r < one.rank_max_over_mean.size(); ++r) {
        sum.rank_max_over_mean[r] += one.rank_max_over_mean[r] / n;
      }
    }
    lists[i / sizes]->push_back(sum);
  }
  double log_sum = 0, log_squares = 0;
  for (const Overlaps& one : overlaps) {
    result.lag1 += one.lag1 / n;
    result.lag2 += one.lag2 / n;
    result.lag64 += one.lag64 / n;
    result.same_sequence += one.same_sequence / n;
    result.same_domain += one.same_domain / n;
    result.cross_domain += one.cross_domain / n;
    result.mixed_cv += one.mixed_cv / n;
    result.domain_cv += one.domain_cv / n;
    log_sum += std::log(one.domain_cv) / n;
    log_squares += std::log(one.domain_cv) * std::log(one.domain_cv) / n;
  }
  result.layer_spread = std::sqrt(std::max(0.0, log_squares - log_sum * log_sum));
  Mean found, marginal;
  for (const Prediction& one : predictions) {
    found.add(one.co_occurrence);
    marginal.add(one.marginal);
  }
  result.cross_layer = found.value();
  result.cross_layer_marginal = marginal.value();
  return result;
}

}  // namespace tollgate::kernels
