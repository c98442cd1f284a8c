#include "kernels/core/hash_routing.h"

#include <algorithm>

namespace tollgate::kernels {
namespace {

/// Sum of the weights of the ids up to each. 2^40 / (id + 1): the rarest of 2^24 ids still has 2^16
/// units, and the sum stays below 2^45.
std::vector<std::uint64_t> cumulative_weights(const HashSpec& spec) {
  std::vector<std::uint64_t> sums;
  sums.reserve(spec.vocabulary);
  std::uint64_t sum = 0;
  for (int id = 0; id < spec.vocabulary; ++id) {
    sum += spec.law == UnigramLaw::uniform
               ? std::uint64_t{1} << 20
               : (std::uint64_t{1} << 40) / static_cast<std::uint64_t>(id + 1);
    sums.push_back(sum);
  }
  return sums;
}

}  // namespace

HashRouting::HashRouting(const RoutingProblem& problem) : problem_(problem) {
  const std::vector<std::uint64_t> sums = cumulative_weights(problem.hash);
  token_ids_.reserve(problem.tokens);
  for (int token = 0; token < problem.tokens; ++token) {
    const Words4 words =
        philox4x32(static_cast<std::uint32_t>(token), draw_block(Purpose::token_id, 0), 0,
                   problem.stream, problem.seed);
    const std::uint64_t random = (static_cast<std::uint64_t>(words.w[1]) << 32) | words.w[0];
    const auto position =
        static_cast<std::uint64_t>((static_cast<unsigned __int128>(random) * sums.back()) >> 64);
    const auto id = std::upper_bound(sums.begin(), sums.end(), position) - sums.begin();
    token_ids_.push_back(static_cast<std::uint32_t>(id));
  }
}

long long HashRouting::layer_stride() const {
  const long long one_layer =
      static_cast<long long>(problem_.hash.vocabulary) * problem_.gate.top_k;
  return static_cast<long long>(problem_.hash.table.size()) > one_layer ? one_layer : 0;
}

}  // namespace tollgate::kernels
