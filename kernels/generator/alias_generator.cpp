#include "kernels/generator/alias_generator.h"

#include <tbb/blocked_range.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/core/noise.h"
#include "kernels/core/philox.h"
#include "kernels/core/score.h"
#include "kernels/core/shape.h"
#include "kernels/generator/alias_lanes.h"
#include "kernels/generator/draw_purpose.h"
#include "kernels/generator/fixed_exp.h"

namespace tollgate::kernels {
namespace {

constexpr int kSigmaFraction = 16;
constexpr std::int64_t kRowsPerChunk = 1 << 14;
constexpr std::int32_t kLogitLimit = 1000 << kLogitFraction;

/// N(0,1) per expert with 20 fraction bits. Popularity belongs to the model: the stream stays zero.
void draw_normals(const GeneratorProblem& problem, Purpose purpose, std::uint32_t window, int item,
                  int layer, std::int64_t* out) {
  for (int e = 0; e < problem.experts; e += 4) {
    const Words4 words =
        philox4x32(static_cast<std::uint32_t>(item),
                   draw_block(purpose, window << 8 | static_cast<std::uint32_t>(e / 4)),
                   static_cast<std::uint32_t>(layer), 0, problem.seed);
    for (int j = 0; j < 4 && e + j < problem.experts; ++j) {
      out[e + j] = normal(normal_table(), words.w[j]);
    }
  }
}

/// sigma * exp(jitter * N(0,1)) with 16 fraction bits, at most 2^6.
std::int64_t jittered(const GeneratorProblem& problem, double sigma, int layer) {
  const std::int64_t plain = to_fixed(sigma, kSigmaFraction);
  const std::int64_t jitter = to_fixed(problem.spec.layer_jitter, kSigmaFraction);
  if (jitter == 0) return plain;
  const Words4 words = philox4x32(0, draw_block(kLayerJitter, 0), static_cast<std::uint32_t>(layer),
                                  0, problem.seed);
  const std::int64_t log_factor = (jitter * normal(normal_table(), words.w[0])) >> kSigmaFraction;
  constexpr std::int64_t kHead = 4 << kLogitFraction;  // exp(4) times exp(x - 4), x at most 4
  constexpr std::uint64_t kExp4 = 3578144;             // exp(4) * 2^16
  const std::int64_t shifted = std::clamp<std::int64_t>(log_factor - kHead, -kLogitLimit, 0);
  const auto factor =
      static_cast<std::int64_t>((exp_q31(static_cast<std::int32_t>(shifted)) * kExp4) >> 31);
  return (plain * factor) >> kSigmaFraction;
}

}  // namespace

AliasGenerator::AliasGenerator(GeneratorProblem problem) : problem_(std::move(problem)) {
  validate(problem_);
  contexts_ = problem_.weights.empty() ? problem_.spec.domains * problem_.spec.topics : 1;
  build_tables();
  draw_contexts();
}

void AliasGenerator::build_tables() {
  const GeneratorSpec& spec = problem_.spec;
  const auto experts = static_cast<std::size_t>(problem_.experts);
  const std::size_t tables = static_cast<std::size_t>(problem_.layers) * contexts_;
  units_.resize(tables * experts);
  tables_.resize(tables * experts);
  const auto build = [&](std::size_t table, std::span<const std::uint32_t> weights) {
    const std::span<std::uint32_t> units{units_.data() + table * experts, experts};
    share_units(weights, units);
    build_alias_table(units, {tables_.data() + table * experts, experts});
  };
  const std::int64_t sigma_global = to_fixed(spec.sigma_global, kSigmaFraction);
  const std::int64_t sigma_topic = to_fixed(spec.sigma_topic, kSigmaFraction);
  const std::int64_t keep = to_fixed(spec.drift, 30);
  const auto fresh = static_cast<std::int64_t>(
      integer_sqrt((std::uint64_t{1} << 60) - static_cast<std::uint64_t>(keep * keep)));

  tbb::parallel_for(0, problem_.layers, [&](int layer) {
    const auto first_table = static_cast<std::size_t>(layer) * contexts_;
    if (!problem_.weights.empty()) {
      build(first_table, {problem_.weights.data() + layer * experts, experts});
      return;
    }
    std::vector<std::int64_t> global(experts), domain(experts), topic(experts), step(experts);
    std::vector<std::uint32_t> weights(experts);
    const std::int64_t sigma_domain = jittered(problem_, spec.sigma_domain, layer);
    draw_normals(problem_, Purpose::global_popularity, 0, 0, layer, global.data());
    for (int d = 0; d < spec.domains; ++d) {
      draw_normals(problem_, Purpose::domain_popularity, 0, d, layer, domain.data());
      for (int w = 1; w <= problem_.window && fresh != 0; ++w) {
        draw_normals(problem_, kDomainDrift, static_cast<std::uint32_t>(w), d, layer, step.data());
        for (std::size_t e = 0; e < experts; ++e) {
          domain[e] = (keep * domain[e] + fresh * step[e]) >> 30;
        }
      }
      for (int q = 0; q < spec.topics; ++q) {
        draw_normals(problem_, Purpose::topic_popularity, 0, d * spec.topics + q, layer,
                     topic.data());
        std::int64_t largest = INT64_MIN;
        for (std::size_t e = 0; e < experts; ++e) {
          topic[e] =
              (sigma_global * global[e] + sigma_domain * domain[e] + sigma_topic * topic[e]) >>
              kSigmaFraction;
          largest = std::max(largest, topic[e]);
        }
        for (std::size_t e = 0; e < experts; ++e) {
          const std::int64_t logit = std::max<std::int64_t>(topic[e] - largest, -kLogitLimit);
          weights[e] = std::min(exp_q31(static_cast<std::int32_t>(logit)), (1u << 31) - 1);
        }
        build(first_table + d * spec.topics + q, weights);
      }
    }
  });
}

void AliasGenerator::draw_contexts() {
  const GeneratorSpec& spec = problem_.spec;
  std::int32_t start = 0;
  if (problem_.sequences.empty()) {
    for (; start < problem_.tokens; start += std::min(spec.tokens_per_sequence, 1 << 24)) {
      starts_.push_back(start);
    }
    starts_.push_back(problem_.tokens);
  } else {
    for (const SequenceShape& sequence : problem_.sequences) {
      starts_.push_back(start);
      start += sequence.tokens;
    }
    starts_.push_back(start);
  }

  sequence_domains_.resize(static_cast<std::size_t>(sequences()));
  const bool per_layer = !spec.shared_topics && contexts_ > 1;
  const int copies = per_layer ? problem_.layers : 1;
  token_contexts_.assign(static_cast<std::size_t>(copies) * tokens(), 0);
  const auto window = static_cast<std::uint32_t>(problem_.window);
  const auto topics = static_cast<std::uint32_t>(spec.topics);
  const std::uint64_t hold = static_cast<std::uint64_t>(to_fixed(spec.topic_hold, 30)) << 2;
  const auto draw_sequence = [&](int s) {
    const Words4 words =
        philox4x32(static_cast<std::uint32_t>(s), draw_block(Purpose::sequence, window), 0,
                   problem_.stream, problem_.seed);
    const std::uint32_t domain =
        problem_.sequences.empty()
            ? multiply_high(words.w[0], static_cast<std::uint32_t>(spec.domains))
            : static_cast<std::uint32_t>(problem_.sequences[s].domain);
    sequence_domains_[s] = static_cast<std::uint16_t>(domain);
    if (contexts_ == 1) return;
    for (int copy = 0; copy < copies; ++copy) {
      const auto layer = static_cast<std::uint32_t>(copy);
      std::uint32_t topic = multiply_high(words.w[1], topics);
      if (copy > 0) {
        topic = multiply_high(
            philox4x32(static_cast<std::uint32_t>(s), draw_block(Purpose::sequence, window), layer,
                       problem_.stream, problem_.seed)
                .w[1],
            topics);
      }
      for (std::int32_t t = starts_[s]; t < starts_[s + 1]; ++t) {
        if (t > starts_[s] && hold < std::uint64_t{1} << 32) {
          const Words4 token =
              philox4x32(static_cast<std::uint32_t>(t), draw_block(kTopicSwitch, window), layer,
                         problem_.stream, problem_.seed);
          if (token.w[0] >= hold) topic = multiply_high(token.w[1], topics);
        }
        token_contexts_[static_cast<std::size_t>(copy) * tokens() + t] =
            static_cast<std::uint16_t>(domain * topics + topic);
      }
    }
  };
  tbb::parallel_for(tbb::blocked_range<int>(0, sequences(), 256),
                    [&](const tbb::blocked_range<int>& range) {
                      for (int s = range.begin(); s < range.end(); ++s) draw_sequence(s);
                    });
}

int AliasGenerator::context(int layer, int token) const {
  const bool per_layer = token_contexts_.size() > static_cast<std::size_t>(tokens());
  return token_contexts_[(per_layer ? static_cast<std::size_t>(layer) * tokens() : 0) + token];
}

std::span<const std::uint32_t> AliasGenerator::units(int layer, int context) const {
  const auto experts = static_cast<std::size_t>(problem_.experts);
  return {units_.data() + (static_cast<std::size_t>(layer) * contexts_ + context) * experts,
          experts};
}

std::vector<AliasGenerator::Chunk> AliasGenerator::chunks() const {
  // Whole sequences, at least sixteen so that all vector lanes have one.
  std::vector<Chunk> result;
  Chunk open = {0, 0, 0, 0};
  for (int layer = 0; layer < problem_.layers; ++layer) {
    const std::int64_t first_row = static_cast<std::int64_t>(layer) * tokens();
    for (int s = 1; s <= sequences(); ++s) {
      open.last += 1;
      open.last_row = first_row + starts_[s];
      if (open.last - open.first < 16 || open.last_row - open.first_row < kRowsPerChunk) continue;
      result.push_back(open);
      open.first = open.last;
      open.first_row = open.last_row;
    }
  }
  if (open.last > open.first) result.push_back(open);
  return result;
}

AliasShape AliasGenerator::shape() const {
  AliasShape shape;
  shape.experts = problem_.experts;
  shape.top_k = problem_.top_k;
  shape.tokens = tokens();
  shape.sticky = static_cast<std::uint32_t>(to_fixed(problem_.spec.stickiness, 16));
  const std::uint64_t free_words = (std::uint64_t{1} << 32) - (std::uint64_t{shape.sticky} << 16);
  const auto experts = static_cast<std::uint64_t>(problem_.experts);
  shape.shift = 0;
  while (((experts << (33 + shape.shift)) / free_words) >> 32 == 0 && shape.shift < 20) {
    ++shape.shift;
  }
  shape.sticky_factor = static_cast<std::uint32_t>((experts << (32 + shape.shift)) / free_words);
  shape.free_factor = static_cast<std::uint32_t>(experts << shape.shift);
  shape.contexts = contexts_;
  shape.tables = tables_.data();
  shape.units = units_.data();
  shape.token_contexts = token_contexts_.data();
  shape.token_contexts_per_layer =
      token_contexts_.size() > static_cast<std::size_t>(tokens()) ? tokens() : 0;
  shape.sequence_starts = starts_.data();
  shape.sequences = sequences();
  shape.seed = problem_.seed;
  shape.stream = problem_.stream;
  shape.window = static_cast<std::uint32_t>(problem_.window);
  return shape;
}

void AliasGenerator::fill(const Chunk& chunk, std::int64_t first_row, std::uint16_t* out) const {
  alias_variants()[variant_].fill(shape(), chunk.first, chunk.last, first_row, out);
}

std::vector<std::uint16_t> AliasGenerator::select() const {
  const std::size_t rows = static_cast<std::size_t>(problem_.layers) * tokens();
  std::vector<std::uint16_t> out(rows * problem_.top_k);
  const std::vector<Chunk> parts = chunks();
  tbb::parallel_for(std::size_t{0}, parts.size(),
                    [&](std::size_t i) { fill(parts[i], 0, out.data()); });
  return out;
}

std::vector<std::int64_t> AliasGenerator::histogram() const {
  using Counts = std::vector<std::int64_t>;
  const std::size_t cells = static_cast<std::size_t>(problem_.layers) * problem_.experts;
  tbb::enumerable_thread_specific<Counts> partial([&] { return Counts(cells); });
  tbb::enumerable_thread_specific<std::vector<std::uint16_t>> buffers;
  const std::vector<Chunk> parts = chunks();
  tbb::parallel_for(std::size_t{0}, parts.size(), [&](std::size_t i) {
    const Chunk& part = parts[i];
    std::vector<std::uint16_t>& buffer = buffers.local();
    Counts& counts = partial.local();
    buffer.resize(static_cast<std::size_t>(part.last_row - part.first_row) * problem_.top_k);
    fill(part, part.first_row, buffer.data());
    const std::uint16_t* id = buffer.data();
    for (std::int64_t row = part.first_row; row < part.last_row;) {
      const std::int64_t layer = row / tokens();
      const std::int64_t end = std::min(part.last_row, (layer + 1) * tokens());
      std::int64_t* count = counts.data() + layer * problem_.experts;
      for (const std::uint16_t* stop = id + (end - row) * problem_.top_k; id != stop; ++id) {
        count[*id] += 1;
      }
      row = end;
    }
  });
  Counts sum(cells);
  for (const Counts& counts : partial) {
    for (std::size_t i = 0; i < cells; ++i) sum[i] += counts[i];
  }
  return sum;
}

void AliasGenerator::check_windows(int window_tokens, int ranks) const {
  if (window_tokens < 1 || window_tokens > tokens()) {
    throw std::invalid_argument("A window has " + std::to_string(window_tokens) +
                                " tokens, but must have 1 to the " + std::to_string(tokens()) +
                                " tokens drawn.");
  }
  if (ranks < 1 || ranks > problem_.experts) {
    throw std::invalid_argument("A rank count is " + std::to_string(ranks) +
                                ", but must be 1 to the " + std::to_string(problem_.experts) +
                                " experts.");
  }
  for (int end = window_tokens; end <= tokens(); end += window_tokens) {
    if (!std::binary_search(starts_.begin(), starts_.end(), end)) {
      throw std::invalid_argument("A window of " + std::to_string(window_tokens) +
                                  " tokens ends within a sequence.");
    }
  }
}

std::vector<std::int64_t> AliasGenerator::busiest_loads(int window_tokens, int ranks) const {
  check_windows(window_tokens, ranks);
  const int experts = problem_.experts;
  const int windows = tokens() / window_tokens;
  const auto sequence_at = [&](std::int64_t token) {
    return std::lower_bound(starts_.begin(), starts_.end(), token) - starts_.begin();
  };
  struct Scratch {
    std::vector<std::uint16_t> ids;
    std::vector<std::int32_t> counts;
  };
  tbb::enumerable_thread_specific<Scratch> scratches;
  std::vector<std::int64_t> busiest(static_cast<std::size_t>(problem_.layers) * windows);
  tbb::parallel_for(std::size_t{0}, busiest.size(), [&](std::size_t i) {
    const auto layer = static_cast<std::int64_t>(i) / windows;
    const auto w = static_cast<std::int64_t>(i) % windows;
    const std::int64_t row = layer * tokens() + w * window_tokens;
    Scratch& scratch = scratches.local();
    scratch.ids.resize(static_cast<std::size_t>(window_tokens) * problem_.top_k);
    const std::int64_t first_chain = layer * sequences();
    fill({first_chain + sequence_at(w * window_tokens),
          first_chain + sequence_at((w + 1) * window_tokens), row, row + window_tokens},
         row, scratch.ids.data());
    scratch.counts.assign(static_cast<std::size_t>(experts), 0);
    for (const std::uint16_t id : scratch.ids) scratch.counts[id] += 1;
    const int per_rank = experts_per_rank(experts, ranks);
    for (int first = 0; first < experts; first += per_rank) {
      std::int64_t load = 0;
      for (int e = first; e < std::min(experts, first + per_rank); ++e) load += scratch.counts[e];
      busiest[i] = std::max(busiest[i], load);
    }
  });
  return busiest;
}

void AliasGenerator::use(std::string_view variant) {
  const auto all = alias_variants();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name != variant) continue;
    variant_ = i;
    return;
  }
  throw std::invalid_argument("This processor cannot run the variant " + std::string(variant) +
                              ".");
}

}  // namespace tollgate::kernels
