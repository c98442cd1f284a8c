#include "kernels/trace/replay.h"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <stdexcept>

#include "kernels/core/philox.h"
#include "kernels/generator/draw_purpose.h"
#include "kernels/generator/load_models.h"

namespace tollgate::kernels {
namespace {

/// The sequences of one domain, found by a number below its tokens.
struct DomainTokens {
  std::vector<const TraceSequence*> sequences;
  std::vector<std::uint32_t> ends;  // tokens up to and with a sequence

  std::uint32_t tokens() const { return ends.empty() ? 0 : ends.back(); }

  /// The sequence that has the domain's token number `index`, and that token's place in it.
  std::pair<const TraceSequence*, int> find(std::uint32_t index) const {
    const auto at = std::upper_bound(ends.begin(), ends.end(), index);
    const TraceSequence* sequence = sequences[static_cast<std::size_t>(at - ends.begin())];
    return {sequence, sequence->tokens - static_cast<int>(*at - index)};
  }
};

std::vector<DomainTokens> by_domain(const RoutingTrace& trace, int domain) {
  std::vector<DomainTokens> result(trace.domains.size());
  for (const TraceSequence& sequence : trace.sequences) {
    if (sequence.tokens < 1 || (domain >= 0 && sequence.domain != domain)) continue;
    DomainTokens& to = result[static_cast<std::size_t>(sequence.domain)];
    to.ends.push_back(to.tokens() + static_cast<std::uint32_t>(sequence.tokens));
    to.sequences.push_back(&sequence);
  }
  std::erase_if(result, [](const DomainTokens& d) { return d.sequences.empty(); });
  return result;
}

void require(bool ok, const char* sentence) {
  if (!ok) throw std::invalid_argument(sentence);
}

}  // namespace

std::vector<std::uint16_t> replay_window(const RoutingTrace& trace, int tokens,
                                         int tokens_per_sequence, std::uint64_t seed,
                                         std::uint32_t stream, int domain) {
  require(trace.layers >= 1 && trace.top_k >= 1 && trace.tokens() >= 1,
          "A trace without tokens cannot be replayed.");
  require(domain >= -1 && domain < static_cast<int>(trace.domains.size()),
          "The trace has no such domain.");
  require(tokens >= 1 && tokens <= 1 << 24, "The number of tokens to replay must be 1 to 2^24.");
  require(tokens_per_sequence >= 1, "The number of tokens per sequence must be 1 or more.");
  const std::vector<DomainTokens> domains = by_domain(trace, domain);
  require(!domains.empty(), "The domain to replay has no tokens.");

  const auto size = static_cast<std::size_t>(tokens);
  const auto run = static_cast<std::size_t>(tokens_per_sequence);
  std::vector<std::int32_t> from(size);
  tbb::parallel_for(std::size_t{0}, (size + run - 1) / run, [&](std::size_t r) {
    const auto words = [&](std::uint32_t block) {
      return philox4x32(static_cast<std::uint32_t>(r), draw_block(kTraceReplay, block), 0, stream,
                        seed);
    };
    const Words4 first = words(0);
    const DomainTokens& own =
        domains[multiply_high(first.w[0], static_cast<std::uint32_t>(domains.size()))];
    auto [sequence, place] = own.find(multiply_high(first.w[1], own.tokens()));
    std::uint32_t continued = 0;
    for (std::size_t t = r * run; t < std::min(size, (r + 1) * run); ++t) {
      if (place == sequence->tokens) {
        const std::uint32_t word = words(1 + continued / 4).w[continued % 4];
        ++continued;
        const auto count = static_cast<std::uint32_t>(own.sequences.size());
        sequence = own.sequences[multiply_high(word, count)];
        place = 0;
      }
      from[t] = sequence->first + place++;
    }
  });

  const auto k = static_cast<std::size_t>(trace.top_k);
  std::vector<std::uint16_t> ids(static_cast<std::size_t>(trace.layers) * size * k);
  tbb::parallel_for(tbb::blocked_range<std::size_t>(0, ids.size() / k, 4096),
                    [&](const tbb::blocked_range<std::size_t>& rows) {
                      for (std::size_t row = rows.begin(); row < rows.end(); ++row) {
                        const auto choice =
                            trace.choice(static_cast<int>(row / size), from[row % size]);
                        std::copy(choice.begin(), choice.end(), ids.begin() + row * k);
                      }
                    });
  return ids;
}

int domain_of(const RoutingTrace& trace, const std::string& name) {
  const auto at = std::find(trace.domains.begin(), trace.domains.end(), name);
  if (at != trace.domains.end()) return static_cast<int>(at - trace.domains.begin());
  std::string known;
  for (const std::string& domain : trace.domains) known += (known.empty() ? "" : ", ") + domain;
  throw std::invalid_argument("The trace has no domain \"" + name + "\"; it has " + known + ".");
}

std::vector<std::uint16_t> replay_counts(const ExpertCounts& counts, int top_k, int tokens,
                                         std::uint64_t seed, std::uint32_t stream) {
  GeneratorProblem problem;
  problem.experts = counts.experts;
  problem.top_k = top_k;
  problem.layers = static_cast<int>(counts.layer_ids.size());
  problem.tokens = tokens;
  problem.seed = seed;
  problem.stream = stream;
  problem.weights = replay_weights(counts.counts, counts.experts, top_k);
  return AliasGenerator(problem).select();
}

}  // namespace tollgate::kernels
