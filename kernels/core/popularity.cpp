#include "kernels/core/popularity.h"

#include "kernels/core/fixed_point.h"
#include "kernels/core/noise.h"
#include "kernels/core/philox.h"

namespace tollgate::kernels {
namespace {

constexpr int kSigmaFraction = 16;

/// Adds sigma * N(0,1) to every expert's logit; `item` tells domains and topics apart.
void add_normals(const RoutingProblem& problem, Purpose purpose, double sigma, int item, int layer,
                 std::int64_t* sums) {
  const std::int64_t factor = to_fixed(sigma, kSigmaFraction);
  if (factor == 0) return;
  for (int e = 0; e < problem.choices(); e += 4) {
    // Popularity belongs to the model: the stream word stays zero.
    const Words4 words = philox4x32(static_cast<std::uint32_t>(item),
                                    draw_block(purpose, static_cast<std::uint32_t>(e / 4)),
                                    static_cast<std::uint32_t>(layer), 0, problem.seed);
    for (int j = 0; j < 4 && e + j < problem.choices(); ++j) {
      sums[e + j] += factor * normal(normal_table(), words.w[j]);
    }
  }
}

}  // namespace

Popularity::Popularity(const RoutingProblem& problem)
    : experts_(problem.choices()),
      contexts_(problem.popularity.domains * problem.popularity.topics) {
  const PopularitySpec& spec = problem.popularity;
  offsets_.resize(static_cast<std::size_t>(problem.layers) * contexts_ * experts_);
  std::vector<std::int64_t> global(experts_), domain(experts_), topic(experts_);
  std::int32_t* out = offsets_.data();
  for (int layer = 0; layer < problem.layers; ++layer) {
    global.assign(experts_, 0);
    if (const auto& given = problem.log_popularity; !given.empty()) {
      const std::size_t base =
          given.size() > static_cast<std::size_t>(experts_) ? std::size_t(layer) * experts_ : 0;
      for (int e = 0; e < experts_; ++e)
        global[e] = std::int64_t{given[base + e]} << kSigmaFraction;
    }
    add_normals(problem, Purpose::global_popularity, spec.sigma_global, 0, layer, global.data());
    for (int d = 0; d < spec.domains; ++d) {
      domain = global;
      add_normals(problem, Purpose::domain_popularity, spec.sigma_domain, d, layer, domain.data());
      for (int q = 0; q < spec.topics; ++q) {
        topic = domain;
        add_normals(problem, Purpose::topic_popularity, spec.sigma_topic, d * spec.topics + q,
                    layer, topic.data());
        for (const std::int64_t sum : topic) {
          *out++ = static_cast<std::int32_t>(sum >> kSigmaFraction);
        }
      }
    }
  }

  token_contexts_.resize(problem.tokens);
  int context = 0;
  for (int token = 0; token < problem.tokens; ++token) {
    if (token % spec.tokens_per_sequence == 0 && contexts_ > 1) {
      const Words4 words =
          philox4x32(static_cast<std::uint32_t>(token / spec.tokens_per_sequence),
                     draw_block(Purpose::sequence, 0), 0, problem.stream, problem.seed);
      const auto d = multiply_high(words.w[0], static_cast<std::uint32_t>(spec.domains));
      const auto q = multiply_high(words.w[1], static_cast<std::uint32_t>(spec.topics));
      context = static_cast<int>(d) * spec.topics + static_cast<int>(q);
    }
    token_contexts_[token] = static_cast<std::uint16_t>(context);
  }
}

}  // namespace tollgate::kernels
