#include "kernels/tbb/tbb_backend.h"

#include <tbb/blocked_range.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>

#include "kernels/core/given_logits.h"
#include "kernels/core/hash_routing.h"
#include "kernels/core/popularity.h"
#include "kernels/core/shape.h"
#include "kernels/generator/alias_generator.h"
#include "kernels/tbb/logit_selector.h"
#include "kernels/tbb/selector.h"
#include "kernels/tbb/window_counter.h"

namespace tollgate::kernels {
namespace {

constexpr int kTokensPerTask = 512;

/// Runs body(layer, first, count) over pieces of at most `grain` of `per_layer` items, in parallel.
template <typename Body>
void for_layer_pieces(int layers, int per_layer, int grain, const Body& body) {
  const int pieces = (per_layer + grain - 1) / grain;
  tbb::parallel_for(0, layers * pieces, [&](int i) {
    const int first = i % pieces * grain;
    body(i / pieces, first, std::min(grain, per_layer - first));
  });
}

std::vector<std::uint16_t> look_up_all(const RoutingProblem& problem) {
  const HashRouting hash(problem);
  const int k = problem.gate.top_k;
  std::vector<std::uint16_t> ids(static_cast<std::size_t>(problem.layers) * problem.tokens * k);
  for_layer_pieces(problem.layers, problem.tokens, kTokensPerTask,
                   [&](int layer, int first, int count) {
                     for (int token = first; token < first + count; ++token) {
                       const auto row = static_cast<std::size_t>(layer) * problem.tokens + token;
                       hash.choose(layer, token, ids.data() + row * k);
                     }
                   });
  return ids;
}

/// [layer][token][top_k]
std::vector<std::uint16_t> select_all(const RoutingProblem& problem) {
  if (problem.gate.hash) return look_up_all(problem);
  const Popularity popularity(problem);
  Selector selector(problem, popularity);
  for_layer_pieces(problem.layers, popularity.contexts(), 4, [&](int layer, int first, int count) {
    for (int context = first; context < first + count; ++context) selector.prepare(layer, context);
  });
  const int k = problem.gate.top_k;
  std::vector<std::uint16_t> ids(static_cast<std::size_t>(problem.layers) * problem.tokens * k);
  for_layer_pieces(problem.layers, problem.tokens, kTokensPerTask,
                   [&](int layer, int first, int count) {
                     for (int token = first; token < first + count; ++token) {
                       const auto row = static_cast<std::size_t>(layer) * problem.tokens + token;
                       selector.select(layer, token, ids.data() + row * k);
                     }
                   });
  return ids;
}

}  // namespace

std::string_view TbbBackend::name() const { return "tbb"; }
std::string_view TbbBackend::description() const {
  return "oneTBB over blocks of tokens, AVX-512 or AVX2 where the processor has it";
}
Availability TbbBackend::available() const { return {true, ""}; }

std::vector<std::uint16_t> TbbBackend::select(const RoutingProblem& problem) const {
  validate(problem);
  return with_shared_slots(problem, select_all(problem));
}

std::vector<std::uint16_t> TbbBackend::select_logits(const RoutingProblem& problem,
                                                     std::span<const float> logits) const {
  validate_shape(problem, logits);
  const auto experts = static_cast<std::size_t>(problem.choices());
  const int k = problem.gate.top_k;
  std::vector<std::uint16_t> ids(logits.size() / experts * k);
  std::atomic<std::size_t> first_nan{logits.size()};
  for_layer_pieces(
      problem.layers, problem.tokens, kTokensPerTask, [&](int layer, int first, int count) {
        const LogitSelector selector(gate_at(problem, layer));
        for (int token = first; token < first + count; ++token) {
          const auto row = static_cast<std::size_t>(layer) * problem.tokens + token;
          const int nan = selector.select(logits.data() + row * experts, ids.data() + row * k);
          if (nan < 0) continue;
          const std::size_t found = row * experts + nan;
          std::size_t least = first_nan.load();
          while (found < least && !first_nan.compare_exchange_weak(least, found)) {
          }
        }
      });
  if (first_nan < logits.size()) refuse_nan(problem, first_nan);
  return with_shared_slots(problem, std::move(ids));
}

std::vector<std::uint16_t> TbbBackend::draw(const GeneratorProblem& problem) const {
  return AliasGenerator(problem).select();
}

std::vector<std::int64_t> TbbBackend::histogram(const GeneratorProblem& problem) const {
  return AliasGenerator(problem).histogram();
}

std::vector<std::int64_t> TbbBackend::busiest_loads(const GeneratorProblem& problem,
                                                    int window_tokens, int ranks) const {
  return AliasGenerator(problem).busiest_loads(window_tokens, ranks);
}

Dispatch TbbBackend::permute(std::span<const std::uint16_t> slots, int top_k,
                             const Placement& placement, int tile) const {
  return dispatch(slots, top_k, placement, tile);
}

RoutingStats TbbBackend::route(const RoutingProblem& problem) const {
  validate(problem);
  const std::vector<std::uint16_t> ids = select_all(problem);
  const int k = problem.gate.top_k;
  const std::size_t rank_counts = problem.rank_counts.size();
  RoutingStats stats = empty_stats(problem);
  const auto row = [&](int layer, std::ptrdiff_t token) {
    return ids.data() + (static_cast<std::ptrdiff_t>(layer) * problem.tokens + token) * k;
  };

  tbb::enumerable_thread_specific<WindowCounter> counters([&] { return WindowCounter(problem); });
  std::vector<std::int64_t> destinations(problem.layers * rank_counts);
  tbb::parallel_for(0, problem.layers, [&](int layer) {
    std::int64_t* tokens_of =
        stats.expert_tokens.data() + static_cast<std::ptrdiff_t>(layer) * problem.experts;
    const std::uint16_t* begin = row(layer, 0);
    for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(problem.tokens) * k; ++i) {
      if (begin[i] < problem.experts) ++tokens_of[begin[i]];
    }
    counters.local().count_destinations(begin, problem.tokens,
                                        destinations.data() + layer * rank_counts);
  });
  for (std::size_t i = 0; i < destinations.size(); ++i) {
    stats.traffic[i % rank_counts].destination_ranks_sum += destinations[i];
  }

  for (BatchStats& batch : stats.batches) {
    const int windows = problem.tokens / batch.batch_size;
    tbb::enumerable_thread_specific<BatchStats> sums(batch);
    for (RankStats& rank : batch.ranks) {
      rank.busiest_load.resize(static_cast<std::size_t>(problem.layers) * windows);
    }
    const int grain = std::max(1, 2 * kTokensPerTask / batch.batch_size);
    for_layer_pieces(problem.layers, windows, grain, [&](int layer, int first, int count) {
      WindowCounter& counter = counters.local();
      BatchStats& sum = sums.local();
      WindowRecord window;
      std::vector<RankRecord> ranks(rank_counts);
      for (int w = first; w < first + count; ++w) {
        counter.count(row(layer, static_cast<std::ptrdiff_t>(w) * batch.batch_size),
                      batch.batch_size * k, window, ranks.data());
        add_record(window, ranks.data(), sum);
        for (std::size_t r = 0; r < rank_counts; ++r) {
          batch.ranks[r].busiest_load[static_cast<std::size_t>(layer) * windows + w] =
              ranks[r].busiest_load;
        }
      }
    });
    for (const BatchStats& sum : sums) add_sums(sum, batch);
  }
  finish_stats(stats);
  return stats;
}

}  // namespace tollgate::kernels
