#include "kernels/reference/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/core/given_logits.h"
#include "kernels/core/hash_routing.h"
#include "kernels/core/logit.h"
#include "kernels/core/noise.h"
#include "kernels/core/noise_words.h"
#include "kernels/core/popularity.h"
#include "kernels/core/shape.h"
#include "kernels/generator/alias_generator.h"
#include "kernels/reference/draw_experts.h"
#include "kernels/reference/select_experts.h"
#include "kernels/reference/stable_dispatch.h"

namespace tollgate::kernels {
namespace {

using Ids = std::vector<std::uint16_t>;

void add_window(const RoutingProblem& problem, const std::uint16_t* ids, BatchStats& batch) {
  std::vector<std::int64_t> tokens_of(problem.experts);
  for (int i = 0; i < batch.batch_size * problem.gate.top_k; ++i) {
    if (ids[i] >= problem.experts) continue;  // a zero expert
    ++tokens_of[ids[i]];
    ++batch.assignments_sum;
  }

  const std::int64_t hottest = *std::max_element(tokens_of.begin(), tokens_of.end());
  batch.samples += 1;
  batch.hottest_expert_sum += hottest;
  batch.hottest_expert_max = std::max(batch.hottest_expert_max, hottest);
  batch.distinct_experts_sum += problem.experts - std::count(tokens_of.begin(), tokens_of.end(), 0);

  for (RankStats& stats : batch.ranks) {
    std::vector<std::int64_t> load(stats.ranks), distinct(stats.ranks), rows64(stats.ranks),
        rows128(stats.ranks);
    for (int e = 0; e < problem.experts; ++e) {
      const int rank = e / experts_per_rank(problem.experts, stats.ranks);
      load[rank] += tokens_of[e];
      distinct[rank] += tokens_of[e] > 0 ? 1 : 0;
      rows64[rank] += (tokens_of[e] + 63) / 64 * 64;
      rows128[rank] += (tokens_of[e] + 127) / 128 * 128;
    }
    const auto busiest = std::max_element(load.begin(), load.end()) - load.begin();
    stats.samples += 1;
    stats.busiest_load_sum += load[busiest];
    stats.busiest_load_max = std::max(stats.busiest_load_max, load[busiest]);
    stats.busiest_distinct_sum += distinct[busiest];
    stats.max_distinct_sum += *std::max_element(distinct.begin(), distinct.end());
    stats.padded_rows_64_sum += rows64[busiest];
    stats.padded_rows_128_sum += rows128[busiest];
    stats.busiest_load.push_back(static_cast<std::int32_t>(load[busiest]));
  }
}

/// [layer][token][top_k]
Ids choose_all(const RoutingProblem& problem) {
  const int k = problem.gate.top_k;
  Ids ids(static_cast<std::size_t>(problem.layers) * problem.tokens * k);
  std::uint16_t* out = ids.data();
  if (problem.gate.hash) {
    const HashRouting hash(problem);
    for (int layer = 0; layer < problem.layers; ++layer) {
      for (int token = 0; token < problem.tokens; ++token, out += k) {
        hash.choose(layer, token, out);
      }
    }
    return ids;
  }
  const Popularity popularity(problem);
  std::vector<std::int32_t> logits(problem.choices());
  for (int layer = 0; layer < problem.layers; ++layer) {
    const Gate gate = gate_at(problem, layer);
    for (int token = 0; token < problem.tokens; ++token, out += k) {
      const std::int32_t* offsets = popularity.logits(layer, popularity.token_contexts()[token]);
      for (int e = 0; e < problem.choices(); ++e) {
        const Words4 words = noise_words(problem.seed, problem.stream, layer, token, e / 4);
        logits[e] = offsets[e] + gumbel(gumbel_tables(), words.w[e % 4]);
      }
      select_experts(gate, logits, {out, static_cast<std::size_t>(k)});
    }
  }
  return ids;
}

}  // namespace

std::string_view ReferenceBackend::name() const { return "reference"; }
std::string_view ReferenceBackend::description() const {
  return "plain serial C++, the oracle for the other backends";
}
Availability ReferenceBackend::available() const { return {true, ""}; }

std::vector<std::uint16_t> ReferenceBackend::select(const RoutingProblem& problem) const {
  validate(problem);
  return with_shared_slots(problem, choose_all(problem));
}

std::vector<std::uint16_t> ReferenceBackend::select_logits(const RoutingProblem& problem,
                                                           std::span<const float> logits) const {
  validate_shape(problem, logits);
  const auto experts = static_cast<std::size_t>(problem.choices());
  const auto k = static_cast<std::size_t>(problem.gate.top_k);
  Ids ids(logits.size() / experts * k);
  std::vector<std::int32_t> fixed(experts);
  for (std::size_t row = 0; row < logits.size() / experts; ++row) {
    for (std::size_t e = 0; e < experts; ++e) {
      const float logit = logits[row * experts + e];
      if (std::isnan(logit)) refuse_nan(problem, row * experts + e);
      fixed[e] = logit_to_fixed(logit);
    }
    const Gate gate = gate_at(problem, static_cast<int>(row) / problem.tokens);
    select_experts(gate, fixed, {ids.data() + row * k, k});
  }
  return with_shared_slots(problem, std::move(ids));
}

std::vector<std::uint16_t> ReferenceBackend::draw(const GeneratorProblem& problem) const {
  return draw_experts(AliasGenerator(problem));
}

std::vector<std::int64_t> ReferenceBackend::histogram(const GeneratorProblem& problem) const {
  const Ids ids = draw(problem);
  const std::size_t per_layer = ids.size() / problem.layers;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(problem.layers) * problem.experts);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ++counts[i / per_layer * problem.experts + ids[i]];
  }
  return counts;
}

std::vector<std::int64_t> ReferenceBackend::busiest_loads(const GeneratorProblem& problem,
                                                          int window_tokens, int ranks) const {
  const AliasGenerator generator(problem);
  generator.check_windows(window_tokens, ranks);
  const Ids ids = draw_experts(generator);
  const int windows = generator.tokens() / window_tokens;
  const int per_rank = experts_per_rank(problem.experts, ranks);
  std::vector<std::int64_t> busiest;
  for (int layer = 0; layer < problem.layers; ++layer) {
    for (int w = 0; w < windows; ++w) {
      std::vector<std::int64_t> loads(ranks);
      const std::int64_t first = static_cast<std::int64_t>(layer) * generator.tokens() +
                                 static_cast<std::int64_t>(w) * window_tokens;
      for (std::int64_t i = first * problem.top_k; i < (first + window_tokens) * problem.top_k;
           ++i) {
        ++loads[ids[i] / per_rank];
      }
      busiest.push_back(*std::max_element(loads.begin(), loads.end()));
    }
  }
  return busiest;
}

Dispatch ReferenceBackend::permute(std::span<const std::uint16_t> slots, int top_k,
                                   const Placement& placement, int tile) const {
  return stable_sorted_dispatch(slots, top_k, placement, tile);
}

RoutingStats ReferenceBackend::route(const RoutingProblem& problem) const {
  validate(problem);
  const Ids ids = choose_all(problem);
  const int k = problem.gate.top_k;
  RoutingStats stats = empty_stats(problem);
  for (int layer = 0; layer < problem.layers; ++layer) {
    const std::uint16_t* layer_ids =
        ids.data() + static_cast<std::size_t>(layer) * problem.tokens * k;
    for (int i = 0; i < problem.tokens * k; ++i) {
      if (layer_ids[i] >= problem.experts) continue;
      ++stats.expert_tokens[static_cast<std::size_t>(layer) * problem.experts + layer_ids[i]];
    }
    for (TrafficStats& traffic : stats.traffic) {
      for (int token = 0; token < problem.tokens; ++token) {
        std::set<int> destinations;
        for (int i = 0; i < k; ++i) {
          const int id = layer_ids[token * k + i];
          if (id >= problem.experts) continue;
          destinations.insert(id / experts_per_rank(problem.experts, traffic.ranks));
        }
        traffic.destination_ranks_sum += static_cast<std::int64_t>(destinations.size());
      }
    }
    for (BatchStats& batch : stats.batches) {
      for (int w = 0; w < problem.tokens / batch.batch_size; ++w) {
        add_window(problem, layer_ids + static_cast<std::ptrdiff_t>(w) * batch.batch_size * k,
                   batch);
      }
    }
  }
  finish_stats(stats);
  return stats;
}

}  // namespace tollgate::kernels
